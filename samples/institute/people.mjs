// The people of the two sample institutes. Mallory has Alice's e-mail address, unverified, and groups with hostile names.
const sign = (letters, length) => letters.repeat(length).slice(0, length);

export const people = () => ({
  alice: {
    id: sign('a1', 64),
    name: 'Alice Admin',
    email: 'alice@example.org',
    verified: true,
    entitlements: ['group:cryo.example.org', 'group:cryo.example.org:tomo', 'group:cryo.example.org:tomo:role=manager'],
  },
  bob: {
    id: sign('b2', 64),
    name: 'Bob Member',
    email: 'bob@example.org',
    verified: true,
    entitlements: ['group:cryo.example.org'],
  },
  mallory: {
    id: sign('c3', 64),
    name: 'Mallory Other',
    email: 'alice@example.org',
    verified: false,
    entitlements: ['group:evil.example.org%3Arole%3Dmanager', 'group:cryo.example.org.evil.org:role=manager'],
  },
});

export const SHAPES = {
  egi: {
    title: 'Sample institute (EGI Check-in)',
    path: '/auth/realms/egi',
    namespace: 'urn:mace:egi.eu',
    authority: 'aai.egi.eu',
    scope: 'egi.eu',
    members: ':role=member',
    deviceFlow: true,
  },
  helmholtz: {
    title: 'Sample institute (Helmholtz ID)',
    path: '/oauth2',
    namespace: 'urn:geant:helmholtz.de',
    authority: 'login.helmholtz.de',
    scope: 'login.helmholtz.de',
    members: '',
    deviceFlow: true,
  },
};

// What a shape makes of an entitlement as written above: EGI names the membership, Helmholtz leaves it out.
export const entitlement = (shape, text) => {
  if (text.startsWith('urn:')) return text;
  const role = text.startsWith('group:') && !text.includes(':role=') ? shape.members : '';
  return `${shape.namespace}:${text}${role}#${shape.authority}`;
};
