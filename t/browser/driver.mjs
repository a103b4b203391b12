/*
 * A real browser for Perl tests: reads one JSON command per line from standard
 * input, does it in headless Chromium, answers with one JSON line.
 *
 *     {"id": 1, "do": "goto", "tab": "alice", "url": "http://localhost:8080/"}
 *     {"id": 1, "value": {"status": 200, "url": "http://..."}}
 *     {"id": 1, "error": "why not"}
 *
 * A "tab" is a browser context of its own: its own cookie jar, one page.  It
 * comes to life when first named.  Nothing is kept on disk, nothing is fetched
 * but what the pages ask for.  CHROMIUM names another executable.
 */

import { chromium } from 'playwright-core';
import { createInterface } from 'node:readline';

const TIMEOUT_MS = 30000;   /* a Keycloak on two busy cores is slow at first */

const FLAGS = [
    '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-dev-shm-usage',
];

const tabs = new Map();
let browser;


async function tab_of(name) {
    if (tabs.has(name)) {
        return tabs.get(name);
    }

    const context = await browser.newContext();
    const page = await context.newPage();
    const tab = { context, page, trail: [] };

    page.setDefaultTimeout(TIMEOUT_MS);

    /* every answer to a navigation, in order: what the address bar went by */
    page.on('response', (res) => {
        if (res.request().isNavigationRequest()) {
            const hop = { status: res.status(), url: res.url() };
            tab.trail.push(hop);
            res.headersArray().then((headers) => {
                hop.set_cookie = headers
                    .filter((h) => h.name.toLowerCase() === 'set-cookie')
                    .map((h) => h.value);
                hop.location = headers
                    .find((h) => h.name.toLowerCase() === 'location')?.value;
            }).catch(() => {});
        }
    });

    tabs.set(name, tab);
    return tab;
}


async function landed(tab, response) {
    await tab.page.waitForLoadState('load');
    return { status: response ? response.status() : 0, url: tab.page.url() };
}


const verbs = {
    async goto(tab, cmd) {
        return landed(tab, await tab.page.goto(cmd.url));
    },

    async fill(tab, cmd) {
        await tab.page.fill(cmd.selector, cmd.value);
    },

    /* a click that leads to another page: answers where it led */
    async follow(tab, cmd) {
        const [response] = await Promise.all([
            tab.page.waitForNavigation({ waitUntil: 'load' }),
            tab.page.click(cmd.selector),
        ]);
        return landed(tab, response);
    },

    async click(tab, cmd) {
        await tab.page.click(cmd.selector);
    },

    async wait_for(tab, cmd) {
        await tab.page.waitForSelector(cmd.selector);
    },

    async url(tab) {
        return tab.page.url();
    },

    async title(tab) {
        return tab.page.title();
    },

    async content(tab) {
        return tab.page.content();
    },

    async text(tab, cmd) {
        return tab.page.innerText(cmd.selector ?? 'body');
    },

    async exists(tab, cmd) {
        return await tab.page.locator(cmd.selector).count() > 0;
    },

    async cookies(tab, cmd) {
        return tab.context.cookies(cmd.url ? [cmd.url] : undefined);
    },

    /* what a script of the page can see */
    async script_sees(tab) {
        return tab.page.evaluate(() => ({
            cookie: document.cookie,
            local: JSON.stringify(localStorage),
            session: JSON.stringify(sessionStorage),
        }));
    },

    /* the same GET by the page's own script, one after another: statuses */
    async fetch(tab, cmd) {
        return tab.page.evaluate(async ([url, times]) => {
            const statuses = [];
            for (let i = 0; i < times; i++) {
                statuses.push((await fetch(url)).status);
            }
            return statuses;
        }, [cmd.url, cmd.times ?? 1]);
    },

    async trail(tab) {
        const trail = tab.trail;
        tab.trail = [];
        return trail;
    },

    async screenshot(tab, cmd) {
        await tab.page.screenshot({ path: cmd.path });
    },

    async close(tab, cmd) {
        await tab.context.close();
        tabs.delete(cmd.tab ?? 'main');
    },
};


async function answer(line) {
    const cmd = JSON.parse(line);

    try {
        const verb = verbs[cmd.do];
        if (verb === undefined) {
            throw new Error(`no such command: ${cmd.do}`);
        }

        const tab = await tab_of(cmd.tab ?? 'main');
        return { id: cmd.id, value: await verb(tab, cmd) ?? null };

    } catch (err) {
        return { id: cmd.id, error: String(err.message ?? err) };
    }
}


browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
});

process.stdout.write(JSON.stringify({ id: 0, value: browser.version() })
                     + '\n');

for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(line)) + '\n');
}

await browser.close();
