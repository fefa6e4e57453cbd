"""Settings, all from the environment; the defaults make a private instance in ``var/``."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from accounts.providers import origins
from gateway.local_secret import secret_key
from gateway.logs import logging_settings
from gateway.running.places import redis_socket

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

PORTOLAN_HOME = Path(env.str("PORTOLAN_HOME", default=str(BASE_DIR / "var"))).resolve()
PORT = env.int("PORT", default=8000)
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or secret_key(PORTOLAN_HOME / "secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", "testserver"])
PORTAL_URL = env.str("PORTAL_URL", default=f"http://localhost:{PORT}").rstrip("/")
DOOR_PORT = env.int("DOOR_PORT", default=PORT + 10000 if PORT <= 55535 else PORT - 10000)
DOOR_URL = env.str("DOOR_URL", default=f"http://localhost:{DOOR_PORT}").rstrip("/")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PORTAL_URL])
# Where the portal itself reaches the door, when that is not where browsers do.
DOOR_CHECK_URL = env.str("DOOR_CHECK_URL", default=DOOR_URL).rstrip("/")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
HTTPS = PORTAL_URL.startswith("https://")
LOGGING = logging_settings(env.str("LOG_FORMAT", default="json"))

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_prometheus",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "accounts",
    "projects",
    "storage",
    "jobs",
    "gateway",
]
MIDDLEWARE = [
    "gateway.logs.RequestLogMiddleware",
    "gateway.database.FreeStreamsMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "gateway.errors.ApiProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "gateway.seen_as.SeenAsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "gateway.pages.PrivatePagesMiddleware",
    "gateway.pages.UsagePolicyMiddleware",
    "gateway.errors.PageErrorMiddleware",
    "gateway.pages.RefusedFormMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "gateway.pages.shared",
            ]
        },
    }
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{PORTOLAN_HOME / 'portolan.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = env.str("REDIS_URL", default=f"unix://{redis_socket(PORTOLAN_HOME)}")
# Counts of requests, of refused tokens and of wrong passwords, and what providers said of tokens a moment ago.
CACHES = {"default": {"BACKEND": "gateway.shared_cache.SharedCache", "LOCATION": REDIS_URL}}
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")
CELERY_TASK_IGNORE_RESULT = True
# Celery itself closes no connection to the database: gateway/database.py says when.
CELERY_DB_REUSE_MAX = sys.maxsize
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 300
CELERY_TASK_TIME_LIMIT = 330
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_throttle": 1,
    "unacked_restore_interval": 10,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# The usage policy that people accept: a text file, and its version (else a digest of the text).
USAGE_POLICY_FILE = env.str("USAGE_POLICY_FILE", default="")
USAGE_POLICY_VERSION = env.str("USAGE_POLICY_VERSION", default="")
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# Invitations and requests for access; without a mail server they are printed, and the pages show the links as well.
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="portolan@localhost")
# Whose groups count: for each issuer the namespaces it may speak for, with the authorities that go with them.
GROUP_NAMESPACES = {
    "https://aai.egi.eu/auth/realms/egi": {"urn:mace:egi.eu": frozenset({"aai.egi.eu", ""})},
    "https://login.helmholtz.de/oauth2": {"urn:geant:helmholtz.de": frozenset({"login.helmholtz.de"})},
}
# The institutes' logins; accounts/providers.py reads them.
OIDC = {name: value for name, value in os.environ.items() if name.startswith("OIDC_")}
# Accounts with a password of this portal; without an institute's login there is no other way in.
LOCAL_ACCOUNTS = env.bool("LOCAL_ACCOUNTS", default=not OIDC.get("OIDC_PROVIDERS"))
# How long groups count that the provider could not be asked about since they were due.
GROUPS_GRACE_HOURS = env.int("GROUPS_GRACE_HOURS", default=24)
# Of django-allauth only the exchange with the provider is used (docs/adr): people are found by gateway/oidc.
SOCIALACCOUNT_ADAPTER = "gateway.oidc.adapter.InstituteLogin"
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "gateway.oidc.provider.InstituteProvider"}}
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:login"
# With HTTPS a browser takes cookies with this prefix from this host alone, and only over HTTPS (RFC 6265bis).
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}portolan_session_{PORT}"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}portolan_csrf_{PORT}"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
# "Strict" would lose the session on the way back from an institute's login.
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers then come by https only, for half a year; what redirects http is the server in front.
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=180 * 24 * 3600) if HTTPS else 0
SECURE_SSL_REDIRECT = False
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF, DOOR_URL, "blob:", "data:"],
        "worker-src": [SELF, "blob:"],
        "font-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [NONE],
        # After its own forms the browser is sent on to the institutes, to sign in or out there.
        "form-action": [SELF, *origins(OIDC)],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(PORTOLAN_HOME / "staticfiles")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "accounts.bearer.InstituteAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.policy.PolicyAccepted",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["gateway.parsers.StrictJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["gateway.throttling.PerMinute"],
    "DEFAULT_SCHEMA_CLASS": "gateway.schema.ProblemSchema",
    "DEFAULT_PAGINATION_CLASS": "common.pagination.NewestFirst",
    "EXCEPTION_HANDLER": "gateway.errors.problem",
    "PAGE_SIZE": 50,
    # The server has put the client's address in place already; what a client says of itself is not asked.
    "NUM_PROXIES": 0,
}
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=1200)
# How long a provider's word on an access token is kept, and what such a token may be used for.
ACCESS_TOKEN_CACHE_SECONDS = min(300, env.int("ACCESS_TOKEN_CACHE_SECONDS", default=120))
ACCESS_TOKEN_SCOPES = env.list("ACCESS_TOKEN_SCOPES", default=["read", "data", "jobs", "admin"])
SPECTACULAR_SETTINGS = {
    "TITLE": "Portolan",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "DESCRIPTION": "Everything the pages do. Errors are problem documents (RFC 9457) with stable codes.",
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "gateway.schema.add_examples"],
    "ENUM_NAME_OVERRIDES": {
        "RoleEnum": "projects.roles.Role",
        "ScopeEnum": "accounts.scopes.Scope",
        "JobStateEnum": "jobs.states.JobState",
        "FolderStateEnum": "storage.models.FolderState",
        "CheckStateEnum": "storage.models.CheckState",
        "SiteKindEnum": "storage.models.SiteKind",
        "ImportStateEnum": "storage.models.ImportState",
        "ImportFileStateEnum": "storage.models.ImportFileState",
        "RequestStateEnum": "projects.models.RequestState",
        "ImportKindEnum": "storage.models.ImportKind",
        "EntryKindEnum": ["file", "folder", "link", "other"],
        "FileOrFolderEnum": ["file", "folder"],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# What a new instance offers; rows in the database take over once they exist.
STORAGE_ROOT = Path(env.str("STORAGE_ROOT", default=str(PORTOLAN_HOME / "projects")))
# What a project "from the sample" starts with.
SAMPLE_DIR = Path(env.str("SAMPLE_DIR", default=str(PORTOLAN_HOME / "samples")))
DEFAULT_QUOTA_BYTES = env.int("DEFAULT_QUOTA_BYTES", default=0) or None
DEFAULT_QUOTA_FILES = env.int("DEFAULT_QUOTA_FILES", default=0) or None
TRASH_DAYS = env.int("TRASH_DAYS", default=14)
UPLOAD_IDLE_DAYS = env.int("UPLOAD_IDLE_DAYS", default=14)
# When bytes are acknowledged: once they outlive a power cut ("disk"), or a crash of the door ("door").
UPLOAD_DURABILITY = env.str("UPLOAD_DURABILITY", default="disk")
DOOR_PROCESSES = env.int("DOOR_PROCESSES", default=1)
LINK_MAX_DAYS = env.int("LINK_MAX_DAYS", default=30)
# A credential of a remote site can't be taken back, so that it is short.
REMOTE_LINK_HOURS = env.int("REMOTE_LINK_HOURS", default=12)
# Servers ("host" or "host:port") from and to which a link may have the door copy.
COPY_HOSTS = frozenset(env.list("COPY_HOSTS", default=[]))
# From where projects may import: only these servers ("host", "host:port" or "*.example.org") where any are named, never
# the refused ones, and addresses inside the operator's own networks only on the servers named as inside.
IMPORT_HOSTS = frozenset(env.list("IMPORT_HOSTS", default=[]))
IMPORT_REFUSED_HOSTS = frozenset(env.list("IMPORT_REFUSED_HOSTS", default=[]))
IMPORT_INSIDE_HOSTS = frozenset(env.list("IMPORT_INSIDE_HOSTS", default=[]))
# How many imports are worked on at the same time on one machine; each holds a worker process for its turn.
IMPORTS_AT_ONCE = env.int("IMPORTS_AT_ONCE", default=1)
# How many proxies of ours stand before the door and add to X-Forwarded-For.
DOOR_PROXY_HOPS = env.int("DOOR_PROXY_HOPS", default=0)
# rsync and SFTP by link: the port that the door's own sshd listens on (0: there is none), and how clients reach it.
SSH_DOOR_PORT = env.int("SSH_DOOR_PORT", default=0)
SSH_DOOR_HOST = env.str("SSH_DOOR_HOST", default="") or urlsplit(DOOR_URL).hostname or "localhost"
SSH_DOOR_KEYS = PORTOLAN_HOME / "ssh"
TOOL_DIRS = [Path(entry) for entry in env.list("TOOL_DIRS", default=[str(BASE_DIR / "jobs" / "tools")])]
POLL_SECONDS = env.float("POLL_SECONDS", default=1.0)
RECONCILE_SECONDS = env.float("RECONCILE_SECONDS", default=5.0)
# How many copies of jobs' files go on at once. The worker has as many processes more, so the others are always free.
COPIES_AT_ONCE = env.int("COPIES_AT_ONCE", default=1)
# How often a job is tried again by itself after a node or a site failed it.
JOB_RETRIES = env.int("JOB_RETRIES", default=2)
