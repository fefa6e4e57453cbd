"""What people type about their account."""

from django import forms

from accounts.scopes import Scope


class TokenForm(forms.Form):
    """A new personal token."""

    label = forms.CharField(max_length=100, error_messages={"required": "Say what the token is for."})
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.READ], error_messages={"required": "Choose at least one thing."}
    )
    days = forms.TypedChoiceField(
        coerce=int, initial=90, choices=[(7, "a week"), (30, "30 days"), (90, "90 days"), (365, "a year")]
    )
