// A real authorization server for the tests: npm oidc-provider, with clients
// and resources that the test names.  Whoever comes is logged in at once, with
// no page, and has consented to everything.
//
//   node provider.mjs < a line of JSON: { port, clients, resources, tls, ... }
//
// It answers "ready" as a line of JSON, and then one line for each that it is
// told: { id, do, ... } -> { id, value } or { id, error }; the verbs are at the
// bottom.  It ends with its standard input.

import { createPublicKey, generateKeyPairSync, X509Certificate }
	from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';

// what it has to say is that it is not fit for production
console.info = console.warn = () => {};

const { Provider } = await import('oidc-provider');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const issuer = `${config.tls ? 'https' : 'http'}://127.0.0.1:${config.port}`;

const users = {
	alice: { name: 'Alice Adams', email: 'alice@example.test' },
	bob: { name: 'Bob Brown', email: 'bob@example.test' },
	...config.users,
};

let generation = 0;
let keys = [];
let user = 'alice';
let seen = [];
let provider;
let answer;

// Our keys, the newest first: what is asked for is signed with the first match.
function addKeys(keep) {
	generation++;

	const fresh = [
		['rsa', { modulusLength: 2048 }, 'RS256'],
		['ec', { namedCurve: 'P-256' }, 'ES256'],
		['ed25519', {}, 'EdDSA'],
	].map(([type, options, alg]) => ({
		...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
		kid: `${alg.toLowerCase()}-${generation}`, use: 'sig',
	}));

	keys = keep ? [...fresh, ...keys] : fresh;
}

function resource(ctx, name) {
	const info = config.resources?.[name];

	if (!info) {
		throw new Error(`no resource ${name}`);
	}

	const encrypt = info.jwt?.encrypt;

	return {
		scope: 'read write', audience: name, accessTokenTTL: 300, ...info,
		...(encrypt && { jwt: { ...info.jwt, encrypt: { ...encrypt,
			key: createPublicKey({ key: encrypt.key, format: 'jwk' }) } } }),
	};
}

async function grant(ctx) {
	const { client, session, params } = ctx.oidc;
	const all = new provider.Grant({ accountId: session.accountId,
		clientId: client.clientId });

	all.addOIDCScope(params.scope ?? 'openid');

	for (const name of [params.resource ?? []].flat()) {
		all.addResourceScope(name, resource(ctx, name).scope);
	}

	await all.save();

	return all;
}

// Client certificates (RFC 8705), as the TLS layer has seen them.
const mtls = {
	enabled: !!config.tls,
	certificateBoundAccessTokens: !!config.tls,
	tlsClientAuth: !!config.tls,
	selfSignedTlsClientAuth: !!config.tls,
	getCertificate(ctx) {
		const { raw } = ctx.socket.getPeerCertificate();

		return raw && new X509Certificate(raw);
	},
	certificateAuthorized: (ctx) => ctx.socket.authorized,
	certificateSubjectMatches: (ctx, property, expected) =>
		property === 'tls_client_auth_subject_dn'
			&& `CN=${ctx.socket.getPeerCertificate().subject.CN}` === expected,
};

// Also what makes it forget what it knows of the clients' keys.
function renew() {
	provider = new Provider(issuer, {
		clients: config.clients,
		jwks: { keys },
		scopes: ['openid', 'offline_access', 'profile', 'email'],
		claims: { openid: ['sub'], profile: ['name'], email: ['email'],
			acr: null, auth_time: null, iss: null, sid: null },
		conformIdTokenClaims: false,
		cookies: { keys: ['cookies of a test'] },
		pkce: { required: () => true },
		clientAuthMethods: ['client_secret_basic', 'client_secret_post',
			'client_secret_jwt', 'private_key_jwt', 'none',
			...(config.tls ? ['tls_client_auth', 'self_signed_tls_client_auth']
				: [])],
		features: {
			devInteractions: { enabled: false },
			clientCredentials: { enabled: true },
			encryption: { enabled: true },
			introspection: { enabled: true, allowedPolicy: () => true },
			jwtIntrospection: { enabled: true },
			jwtUserinfo: { enabled: true },
			mTLS: mtls,
			pushedAuthorizationRequests: { enabled: true,
				requirePushedAuthorizationRequests: !!config.require_par },
			requestObjects: { enabled: true },
			resourceIndicators: { enabled: true, getResourceServerInfo: resource },
			revocation: { enabled: true },
			...config.features,
		},
		interactions: { url: (ctx, { uid }) => `/interaction/${uid}` },
		loadExistingGrant: grant,
		findAccount: (ctx, id) => users[id]
			&& { accountId: id, claims: () => ({ sub: id, ...users[id] }) },
		extraTokenClaims: (ctx, token) => users[token.accountId]?.token_claims,
		renderError(ctx, out) { ctx.type = 'json'; ctx.body = out; },
		// the clients' keys are on this machine, where it would not look
		fetch: (url, { dispatcher, ...options }) => fetch(url, options),
		...config.options,
	});

	for (const event of ['grant.success', 'grant.error',
		'authorization.error', 'introspection.error', 'userinfo.error',
		'pushed_authorization_request.success',
		'pushed_authorization_request.error', 'server_error']) {

		provider.on(event, (ctx, failure) => seen.push({ event,
			client: ctx.oidc?.client?.clientId,
			auth: ctx.oidc?.client?.clientAuthMethod,
			error: failure?.error ?? failure?.message,
			detail: failure?.error_detail ?? failure?.error_description,
			...(event === 'server_error' && { stack: failure?.stack }) }));
	}

	answer = provider.callback();
}

async function handle(req, res) {
	seen.push({ event: 'request', method: req.method, url: req.url,
		accept: req.headers.accept, authorization: req.headers.authorization });

	if (!req.url.startsWith('/interaction/')) {
		return answer(req, res);
	}

	await provider.interactionFinished(req, res,
		{ login: { accountId: user } }, { mergeWithLastSubmission: false });
}

const verbs = {
	// { keep }: new keys of ours, in front of the old ones with keep
	rotate({ keep }) { addKeys(keep); renew(); },
	// the clients' keys are fetched again at their next use
	forget_keys() { renew(); },
	// { name }: who is logged in from now on; "sessions" of others stay
	user({ name }) { user = name; },
	// { client, user, scope, resource, jkt, x5t, ttl }: an access token
	async token(o) {
		const client = await provider.Client.find(o.client);
		const all = new provider.Grant({ accountId: o.user ?? user,
			clientId: client.clientId });

		all.addOIDCScope('openid profile email');

		const token = new provider.AccessToken({
			accountId: o.user ?? user, client, grantId: await all.save(),
			gty: 'authorization_code', scope: o.scope ?? 'openid',
			expiresWithSession: false, claims: {},
		});

		token.extra = users[o.user ?? user]?.token_claims;

		if (o.resource) {
			token.resourceServer = new provider.ResourceServer(o.resource,
				resource(null, o.resource));
		}

		if (o.jkt) {
			token.jkt = o.jkt;
		}

		if (o.x5t) {
			token['x5t#S256'] = o.x5t;
		}

		if (o.ttl) {
			token.expiresIn = o.ttl;
		}

		return token.save();
	},
	// { token }: it is good for nothing any more
	async revoke({ token }) {
		await (await provider.AccessToken.find(token)).destroy();
	},
	// what has happened since the last time
	seen() { const all = seen; seen = []; return all; },
	jwks() { return { keys: keys.map(({ d, p, q, dp, dq, qi, ...jwk }) => jwk) }; },
};

addKeys(false);
renew();

const server = config.tls
	? createTlsServer({ key: readFileSync(config.tls.key),
		cert: readFileSync(config.tls.cert), ca: readFileSync(config.tls.ca),
		requestCert: true, rejectUnauthorized: false }, handle)
	: createServer(handle);

server.listen(config.port, '127.0.0.1', () =>
	process.stdout.write('{"value":"ready"}\n'));

for await (const line of lines) {
	const { id, do: verb, ...args } = JSON.parse(line);
	let reply;

	try {
		reply = { id, value: await verbs[verb](args) ?? null };

	} catch (failure) {
		reply = { id, error: String(failure?.stack ?? failure) };
	}

	process.stdout.write(JSON.stringify(reply) + '\n');
}

process.exit(0);
