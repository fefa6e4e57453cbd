// One page to sign in: it names the people, and the one that is chosen is signed in.
const page = (title, words) => `<!DOCTYPE html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<style>body{font:1.1rem/1.5 system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem}
a{display:block;padding:.6rem 1rem;margin:.5rem 0;border:1px solid #567;border-radius:.4rem;color:#123}</style>
<main><h1>${title}</h1>${words}</main></html>`;

export const interaction = async (state, request, response, url) => {
  const { provider, people, shape } = state;
  const asked = await provider.interactionDetails(request, response);
  if (asked.prompt.name === 'login') {
    const who = url.searchParams.get('as') ?? asked.params.login_hint;
    if (!Object.hasOwn(people, who ?? '')) {
      const links = Object.entries(people).map(([login, one]) => `<a href="?as=${login}">${one.name}</a>`);
      response.setHeader('content-type', 'text/html; charset=utf-8');
      return response.end(page(shape.title, `<p>A sample: choose who you are.</p>${links.join('')}`));
    }
    const login = { accountId: `${people[who].id}@${shape.scope}`, amr: ['pwd'] };
    return provider.interactionFinished(request, response, { login });
  }
  const grant = asked.grantId
    ? await provider.Grant.find(asked.grantId)
    : new provider.Grant({ accountId: asked.session.accountId, clientId: asked.params.client_id });
  const { missingOIDCScope, missingOIDCClaims } = asked.prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
};
