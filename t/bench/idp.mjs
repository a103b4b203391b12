// The provider of the benchmark: as fast as one process can sign.  A code is
// the nonce that its ID token is to carry, so nothing is kept but the sids, for
// /logout-tokens: a JSON list of so many tokens, for sids given out and others.
//
//   node idp.mjs PORT [ES256|RS256]

import { createServer } from 'node:http';
import { generateKeyPairSync, createHash, randomUUID, sign }
	from 'node:crypto';

const port = Number(process.argv[2]);
const alg = process.argv[3] ?? 'ES256';
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
		id_token_signing_alg_values_supported: [alg],
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

const sids = [];

function seconds() {
	return Math.floor(Date.now() / 1000);
}

// good for as long as a benchmark may take
function access_claims() {
	const now = Math.floor(Date.now() / 1000);

	return { iss: issuer, aud: 'bench', sub: 'user-1', client_id: 'app',
		scope: 'openid profile email', jti: 'j1', iat: now,
		exp: now + 86400, name: 'Ann Example', email: 'ann@example.test' };
}

function jwt(name, typ, claims) {
	const input = b64(JSON.stringify({ alg: name, kid: name, typ })) + '.'
		+ b64(JSON.stringify(claims));
	const key = pairs[name].privateKey;
	const signature = sign('sha256', Buffer.from(input), name === 'RS256'
		? key : { key, dsaEncoding: 'ieee-p1363' });

	return input + '.' + signature.toString('base64url');
}

function idToken(nonce) {
	const now = seconds();
	const sid = `sid-${nonce.slice(0, 20)}`;

	sids.push(sid);

	return jwt(alg, 'JWT', {
		iss: issuer, aud: 'bench', sub: `user-${nonce.slice(0, 12)}`,
		iat: now, exp: now + 300, nonce, at_hash, auth_time: now, sid,
		name: 'Ann Example', email: 'ann@example.test', email_verified: true,
		preferred_username: 'ann', groups: ['staff', 'readers', 'writers'],
	});
}

function logoutTokens(good, bad) {
	const tokens = [];

	for (let i = 0; i < good + bad; i++) {
		const now = seconds();
		const sid = i < good
			? sids.splice(1 + Math.floor(Math.random() * (sids.length - 1)),
				1)[0]		// not the first, which the hot path has
			: `unknown-${i}`;

		tokens.push(jwt(alg, 'logout+jwt', { iss: issuer, aud: 'bench', iat: now,
			exp: now + 600, sid, jti: randomUUID(), events: {
				'http://schemas.openid.net/event/backchannel-logout': {},
			} }));
	}

	return JSON.stringify(tokens);
}

createServer((req, res) => {
	let body = '';

	req.on('data', (chunk) => { body += chunk; });
	req.on('end', () => {
		const text = req.url === '/token'
			? JSON.stringify({
				access_token: access, token_type: 'Bearer', expires_in: 300,
				refresh_token: 'r'.repeat(600),
				id_token: idToken(new URLSearchParams(body).get('code')),
			})
			: req.url === '/logout-tokens' ? logoutTokens(99, 201)
			: documents[req.url] ?? '{}';

		res.writeHead(200, { 'Content-Type': 'application/json',
			'Content-Length': Buffer.byteLength(text) });
		res.end(text);
	});
}).listen(port, '127.0.0.1');
