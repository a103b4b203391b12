// The provider of the benchmark: as fast as one process can sign.  A code is
// the algorithm and the nonce of its ID token, and where they are wanted its
// "sub" and "sid" ("RS256.nonce.sub.sid"), so that nothing is kept.
// /logout-token?client=ID&sid=SID (or sub=SUB) is a logout token of that.
//
//   node idp.mjs PORT

import { createServer } from 'node:http';
import { generateKeyPairSync, createHash, randomUUID, sign }
	from 'node:crypto';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const pairs = {
	RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
	ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};

const b64 = (data) => Buffer.from(data).toString('base64url');
const access = 'a'.repeat(800);
const at_hash = b64(createHash('sha256').update(access).digest().subarray(0, 16));

const documents = {
	'/.well-known/openid-configuration': JSON.stringify({
		issuer,
		authorization_endpoint: `${issuer}/authorize`,
		token_endpoint: `${issuer}/token`,
		jwks_uri: `${issuer}/jwks`,
		introspection_endpoint: `${issuer}/introspect`,
		id_token_signing_alg_values_supported: Object.keys(pairs),
	}),
	'/jwks': JSON.stringify({
		keys: Object.entries(pairs).map(([name, pair]) => ({
			...pair.publicKey.export({ format: 'jwk' }), kid: name,
			alg: name, use: 'sig' })),
	}),
	'/introspect': JSON.stringify({ active: true, ...access_claims() }),
	'/access/RS256': jwt('RS256', 'at+jwt', access_claims()),
	'/access/ES256': jwt('ES256', 'at+jwt', access_claims()),
};

function seconds() {
	return Math.floor(Date.now() / 1000);
}

// good for as long as a benchmark may take
function access_claims() {
	return { iss: issuer, aud: 'bench', sub: 'user-1', client_id: 'app',
		scope: 'openid profile email', jti: 'j1', iat: seconds(),
		exp: seconds() + 86400, name: 'Ann Example',
		email: 'ann@example.test' };
}

function jwt(name, typ, claims) {
	const input = b64(JSON.stringify({ alg: name, kid: name, typ })) + '.'
		+ b64(JSON.stringify(claims));
	const key = pairs[name].privateKey;
	const signature = sign('sha256', Buffer.from(input), name === 'RS256'
		? key : { key, dsaEncoding: 'ieee-p1363' });

	return input + '.' + signature.toString('base64url');
}

function idToken(client, code) {
	const [alg, nonce, sub = `user-${nonce.slice(0, 12)}`,
		sid = `sid-${nonce.slice(0, 20)}`] = code.split('.');
	const now = seconds();

	return jwt(alg, 'JWT', {
		iss: issuer, aud: client, sub, iat: now, exp: now + 300, nonce, at_hash, auth_time: now, sid,
		name: 'Ann Example', email: 'ann@example.test', email_verified: true,
		preferred_username: 'ann', groups: ['staff', 'readers', 'writers'],
	});
}

// "named": { sid } or { sub }
function logoutToken({ client, ...named }) {
	return jwt('RS256', 'logout+jwt', {
		iss: issuer, aud: client, iat: seconds(), exp: seconds() + 3600,
		jti: randomUUID(), ...named,
		events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
	});
}

function answer(url, headers, body) {
	const { pathname, searchParams } = new URL(url, issuer);

	if (pathname === '/token') {
		const basic = headers.authorization.split(' ')[1];
		const client = Buffer.from(basic, 'base64').toString().split(':')[0];

		return JSON.stringify({
			access_token: access, token_type: 'Bearer', expires_in: 86400,
			refresh_token: 'r'.repeat(600),
			id_token: idToken(client, new URLSearchParams(body).get('code')),
		});
	}

	return pathname === '/logout-token'
		? logoutToken(Object.fromEntries(searchParams))
		: documents[pathname] ?? '{}';
}

createServer((req, res) => {
	let body = '';

	req.on('data', (chunk) => { body += chunk; });
	req.on('end', () => {
		const text = answer(req.url, req.headers, body);

		res.writeHead(200, { 'Content-Type': 'application/json',
			'Content-Length': Buffer.byteLength(text) });
		res.end(text);
	});
}).listen(port, '127.0.0.1');
