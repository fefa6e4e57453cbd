// A sample institute: an OpenID provider on loopback, shaped like EGI Check-in or Helmholtz ID, for tests and the demo.
//   node samples/institute/op.mjs --kind egi --host 127.0.0.1 --port 3001 --portal http://localhost:8000 [--control]
// Two of them need two hosts (127.0.0.1 and 127.0.0.2): cookies know no ports. With --control, /control/ changes it.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Provider } from 'oidc-provider';
import { newKey, control } from './control.mjs';
import { interaction } from './pages.mjs';
import { entitlement, people, SHAPES } from './people.mjs';
import { envelope } from './tokens.mjs';

const { values: given } = parseArgs({
  options: {
    kind: { type: 'string', default: 'egi' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '3001' },
    portal: { type: 'string', multiple: true, default: [] },
    secret: { type: 'string', default: 'gateway-secret' },
    tokens: { type: 'string', default: 'jwt' },
    control: { type: 'boolean', default: false },
  },
});
const shape = SHAPES[given.kind];
const origin = `http://${given.host}:${given.port}`;
const portals = given.portal.length ? given.portal : ['http://localhost:8000'];

// All that /control/ may change.
const state = {
  kind: given.kind,
  shape,
  origin,
  issuer: origin + shape.path,
  people: people(),
  keys: [await newKey()],
  log: [],
  tokens: given.tokens,
  skew: 0,
  ttl: 3600,
  idToken: {},
  provider: undefined,
};

state.account = (id) => {
  const [login, one] = Object.entries(state.people).find(([, who]) => `${who.id}@${shape.scope}` === id) ?? [];
  if (!one) return undefined;
  const [given_name, family_name = '-'] = one.name.split(' ');
  const told = one.raw ?? one.entitlements.map((text) => entitlement(shape, text));
  const claims = {
    sub: id,
    voperson_id: id,
    name: one.name,
    given_name,
    family_name,
    preferred_username: login,
    email: one.email,
    email_verified: one.verified,
    eduperson_entitlement: told,
    entitlements: told,
    eduperson_assurance: ['https://refeds.org/assurance', 'https://refeds.org/assurance/IAP/medium'],
    ...one.claims,
  };
  return { accountId: id, claims: () => claims };
};

const PUBLIC = ['http://localhost:4242', 'http://127.0.0.1/cb', 'edu.kit.data.oidc-agent:/redirect'];
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const NAMES = ['name', 'given_name', 'family_name', 'preferred_username'];
const configuration = () => ({
  jwks: { keys: state.keys },
  clients: [
    {
      client_id: 'gateway',
      client_secret: given.secret,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: portals.map((portal) => `${portal}/oidc/${given.kind}/callback/`),
      post_logout_redirect_uris: portals.map((portal) => `${portal}/login/`),
      backchannel_logout_uri: `${portals[0]}/oidc/${given.kind}/logout/`,
      backchannel_logout_session_required: true,
    },
    // What oidc-agent uses: a client that anybody may use, whose secret is no secret (without one it sends a bad header).
    {
      client_id: 'oidc-agent',
      client_secret: 'known-secret',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token', DEVICE],
      response_types: ['code'],
      redirect_uris: PUBLIC,
    },
    {
      client_id: 'other-service',
      client_secret: 'other-secret',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: ['http://127.0.0.1/cb'],
    },
  ],
  claims: {
    openid: ['sub'],
    profile: NAMES,
    email: ['email', 'email_verified'],
    voperson_id: ['voperson_id'],
    eduperson_entitlement: ['eduperson_entitlement'],
    entitlements: ['entitlements'],
    eduperson_assurance: ['eduperson_assurance'],
  },
  scopes: ['openid', 'offline_access'],
  findAccount: (context, id) => state.account(id),
  pkce: { required: () => true },
  issueRefreshToken: (context, client, code) =>
    client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    deviceFlow: { enabled: shape.deviceFlow },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true, allowedPolicy: () => true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  interactions: { url: (context, one) => `${shape.path}/interaction/${one.uid}` },
  routes: {
    authorization: '/protocol/openid-connect/auth',
    token: '/protocol/openid-connect/token',
    jwks: '/protocol/openid-connect/certs',
    userinfo: '/protocol/openid-connect/userinfo',
    introspection: '/protocol/openid-connect/token/introspect',
    revocation: '/protocol/openid-connect/revoke',
    end_session: '/protocol/openid-connect/logout',
    device_authorization: '/protocol/openid-connect/auth/device',
    code_verification: '/device',
  },
  cookies: {
    keys: [randomBytes(16).toString('hex')],
    names: { session: `s_${given.kind}`, interaction: `i_${given.kind}`, resume: `r_${given.kind}` },
  },
  ttl: {
    AccessToken: () => state.ttl,
    AuthorizationCode: 60,
    IdToken: 3600,
    RefreshToken: 30 * 86400,
    Session: 86400,
    Interaction: 600,
    Grant: 30 * 86400,
    DeviceCode: 600,
  },
  clientBasedCORS: () => false,
  // The library calls no address on loopback by itself; the portal that is told of a logout is on one.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  renderError: (context, told) => {
    context.type = 'json';
    context.body = told;
  },
});

state.build = () => {
  state.provider = new Provider(state.issuer, configuration());
  state.provider.use(envelope(state));
  state.provider.on('server_error', (context, error) => console.error('server_error', error));
  state.provider.on('backchannel.error', (context, error) => console.error('backchannel.error', error.message));
};
state.build();

const answer = async (request, response) => {
  const url = new URL(request.url, origin);
  if (given.control && url.pathname.startsWith('/control/')) return control(state, request, response, url);
  if (!url.pathname.startsWith(shape.path)) return response.writeHead(404).end();
  if (url.pathname.startsWith(`${shape.path}/interaction/`)) return interaction(state, request, response, url);
  request.originalUrl = request.url;
  request.url = request.url.slice(shape.path.length) || '/';
  request.baseUrl = shape.path;
  return state.provider.callback()(request, response);
};
http
  .createServer((request, response) =>
    answer(request, response).catch((error) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    }),
  )
  .listen(Number(given.port), given.host, () => console.log(`issuer ${state.issuer}`));
