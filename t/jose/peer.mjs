// npm jose, the one that oidc-provider stands on, as a peer of the jose
// command; peer.py says how it is spoken to.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { resolve } = createRequire(new URL('../provider/', import.meta.url));
const jose = await import(pathToFileURL(resolve('jose')));

const ops = {
	encrypt: async ({ key, header, text }) =>
		new jose.CompactEncrypt(new TextEncoder().encode(text))
			.setProtectedHeader(header)
			.encrypt(await jose.importJWK(key, header.alg)),

	sign: async ({ key, header, text }) =>
		new jose.CompactSign(new TextEncoder().encode(text))
			.setProtectedHeader(header)
			.sign(await jose.importJWK(key, header.alg)),

	verify: async ({ key, alg, token }) => {
		const { payload } = await jose.compactVerify(token,
			await jose.importJWK(key, alg), { algorithms: [ alg ] });

		return new TextDecoder().decode(payload);
	},

	nest: async (job) =>
		ops.encrypt({ ...job.encrypt, text: await ops.sign(job.sign) }),

	import: async ({ key }) => {
		const { type } = await jose.importJWK(key);

		return `${type} ${await jose.calculateJwkThumbprint(key)}`;
	},
};

const answers = [];

for (const job of JSON.parse(readFileSync(0, 'utf8')).jobs) {
	try {
		answers.push({ text: await ops[job.op](job) });
	} catch (e) {
		answers.push({ error: `${e.name}: ${e.message}` });
	}
}

console.log(JSON.stringify(answers));
