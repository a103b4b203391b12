// The provider of the benchmark: as fast as one process can sign.  A code is
// the nonce that its ID token is to carry, so nothing is kept.
//
//   node idp.mjs PORT [ES256|RS256]

import { createServer } from 'node:http';
import { generateKeyPairSync, createHash, sign } from 'node:crypto';

const port = Number(process.argv[2]);
const alg = process.argv[3] ?? 'ES256';
const issuer = `http://127.0.0.1:${port}`;

const { publicKey, privateKey } = alg === 'RS256'
	? generateKeyPairSync('rsa', { modulusLength: 2048 })
	: generateKeyPairSync('ec', { namedCurve: 'P-256' });

const b64 = (data) => Buffer.from(data).toString('base64url');
const header = b64(JSON.stringify({ alg, kid: 'k1', typ: 'JWT' }));
const access = 'a'.repeat(800);
const at_hash = b64(createHash('sha256').update(access).digest().subarray(0, 16));

const documents = {
	'/.well-known/openid-configuration': JSON.stringify({
		issuer,
		authorization_endpoint: `${issuer}/authorize`,
		token_endpoint: `${issuer}/token`,
		jwks_uri: `${issuer}/jwks`,
		id_token_signing_alg_values_supported: [alg],
	}),
	'/jwks': JSON.stringify({
		keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg,
			use: 'sig' }],
	}),
};

function idToken(nonce) {
	const now = Math.floor(Date.now() / 1000);
	const input = header + '.' + b64(JSON.stringify({
		iss: issuer, aud: 'bench', sub: `user-${nonce.slice(0, 12)}`,
		iat: now, exp: now + 300, nonce, at_hash, auth_time: now,
		name: 'Ann Example', email: 'ann@example.test', email_verified: true,
		preferred_username: 'ann', groups: ['staff', 'readers', 'writers'],
	}));
	const signature = sign('sha256', Buffer.from(input), alg === 'RS256'
		? privateKey : { key: privateKey, dsaEncoding: 'ieee-p1363' });

	return input + '.' + signature.toString('base64url');
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
			: documents[req.url] ?? '{}';

		res.writeHead(200, { 'Content-Type': 'application/json',
			'Content-Length': Buffer.byteLength(text) });
		res.end(text);
	});
}).listen(port, '127.0.0.1');
