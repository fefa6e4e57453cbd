// What tests change while the provider runs: POST /control/NAME with a JSON body.
import { randomBytes } from 'node:crypto';
import * as jose from 'jose';
import { people } from './people.mjs';

export const newKey = async () => {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { ...(await jose.exportJWK(privateKey)), use: 'sig', alg: 'RS256', kid: randomBytes(6).toString('hex') };
};

const hooks = {
  // {user, entitlements: [...] as in people.mjs} or {user, raw: anything}
  entitlements: (state, { user, entitlements, raw }) => {
    if (entitlements) state.people[user].entitlements = entitlements;
    state.people[user].raw = raw;
  },
  claims: (state, { user, claims }) => {
    state.people[user].claims = claims;
  },
  // {keep}: whether the old keys are published still. Sessions and tokens end with the old ones gone from memory.
  rotate: async (state, { keep = true }) => {
    const key = await newKey();
    state.keys = keep ? [key, ...state.keys] : [key];
    state.build();
    return { kid: key.kid };
  },
  // {skew, ttl, tokens, idToken, userinfo}
  set: (state, words) => {
    Object.assign(state, words);
  },
  forge: async (state, words) => {
    state.idToken = words.stranger ? { key: await newKey() } : words;
  },
  // Any claims, signed as the provider signs.
  sign: async (state, { claims }) => {
    const [key] = state.keys;
    const header = { alg: 'RS256', kid: key.kid, typ: 'logout+jwt' };
    return new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(key, 'RS256'));
  },
  log: (state) => state.log.splice(0),
  reset: (state) => {
    Object.assign(state, { people: people(), skew: 0, ttl: 3600, idToken: {}, userinfo: undefined, tokens: 'jwt' });
    state.log.length = 0;
  },
};

export const control = async (state, request, response, url) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const hook = hooks[url.pathname.slice('/control/'.length)];
  if (!hook) return response.writeHead(404).end();
  const told = await hook(state, JSON.parse(Buffer.concat(chunks).toString() || '{}'));
  response.setHeader('content-type', 'application/json');
  return response.end(JSON.stringify(told ?? null));
};
