// Access tokens as Keycloak makes them: a signed JWT whose `jti` is the handle, so that it is good for userinfo and
// introspection too (the library's own JWTs are good for neither). With tokens "opaque" the handle is the token.
import * as jose from 'jose';

const wrapped = async (state, handle) => {
  const token = await state.provider.AccessToken.find(handle);
  const [key] = state.keys;
  const claims = { azp: token.clientId, client_id: token.clientId, aud: token.clientId, scope: token.scope, typ: 'Bearer' };
  return new jose.SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
    .setIssuer(state.issuer)
    .setSubject(token.accountId)
    .setIssuedAt(token.iat + state.skew)
    .setExpirationTime(token.exp + state.skew)
    .setJti(handle)
    .sign(await jose.importJWK(key, 'RS256'));
};
const open = ({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use });
const unwrapped = async (state, token) => {
  if (token.split('.').length !== 3) return token;
  try {
    const keys = jose.createLocalJWKSet({ keys: state.keys.map(open) });
    const { payload } = await jose.jwtVerify(token, keys, { issuer: state.issuer, clockTolerance: Math.abs(state.skew) });
    return payload.jti;
  } catch {
    return token;
  }
};
// An ID token with other claims or another signature, for the tests of those who read it.
const forged = async (state, token) => {
  const { key, secret, none, ...claims } = state.idToken;
  if (!Object.keys(state.idToken).length && !state.skew) return token;
  const payload = jose.decodeJwt(token);
  const whole = { ...payload, iat: payload.iat + state.skew, exp: payload.exp + state.skew, ...claims };
  if (none) return new jose.UnsecuredJWT(whole).encode();
  if (secret) {
    const bytes = new TextEncoder().encode(await jose.exportSPKI(await jose.importJWK(open(state.keys[0]), 'RS256', { extractable: true })));
    return new jose.SignJWT(whole).setProtectedHeader({ alg: 'HS256', kid: state.keys[0].kid }).sign(bytes);
  }
  const signer = key ?? state.keys[0];
  return new jose.SignJWT(whole)
    .setProtectedHeader({ alg: 'RS256', kid: state.keys[0].kid })
    .sign(await jose.importJWK(signer, 'RS256'));
};

const bodyOf = async (request) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
};

export const envelope = (state) => async (context, next) => {
  state.log.push(`${context.method} ${context.path}`);
  const [, token] = /^Bearer (\S+)$/.exec(context.get('authorization')) ?? [];
  if (token) context.req.headers.authorization = `Bearer ${await unwrapped(state, token)}`;
  if (/\/(introspect|revoke)$/.test(context.path) && context.method === 'POST') {
    context.req.body = await bodyOf(context.req); // the library takes a body that was read already
    if (context.req.body.token) context.req.body.token = await unwrapped(state, context.req.body.token);
  }
  await next();
  const body = context.body;
  if (context.status !== 200 || !body) return;
  if (context.path.endsWith('/openid-connect/token')) {
    if (body.access_token && state.tokens === 'jwt') body.access_token = await wrapped(state, body.access_token);
    if (body.id_token) body.id_token = await forged(state, body.id_token);
  }
  if (context.path.endsWith('/userinfo') && state.userinfo) context.body = { ...body, ...state.userinfo };
};
