// Two real browsers behind one small set of methods, so that a test need not know which one it has.

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

import { until } from './process.js';

/** Those that are tried: both, or what the environment says. */
export const BROWSERS = process.env.BROWSERS?.split(' ') ?? ['chromium', 'firefox'];

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

const CHROMIUM_ARGUMENTS = [
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // It has no sandbox for root.
  ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
];

const FIREFOX_PREFERENCES = {
  'media.autoplay.default': 0,
  'media.autoplay.block-event.enabled': false,
  // A tab behind another is to play and to run as one in front.
  'media.block-autoplay-until-in-foreground': false,
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  // It is to talk to the tests and to nobody else.
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.region.network.url': '',
  'browser.search.geoSpecificDefaults': false,
  'browser.topsites.contile.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.push.connection.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.dns.disablePrefetch': true,
  'network.prefetch-next': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.server': '',
};

/**
 * Starts 'chromium' or 'firefox'. Firefox needs the sink (`startSink`) to play. How pages are to look by themselves
 * (`dark`, `reducedMotion`) can be changed later only in Chromium.
 */
export function launch(kind, { sink, dark = false, reducedMotion = false } = {}) {
  const look = { dark, reducedMotion };
  return kind === 'chromium' ? launchChromium(look) : launchFirefox(look, sink);
}

async function launchChromium(look) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGUMENTS });
  return {
    kind: 'chromium',
    version: browser.version(),
    async newPage() {
      const context = await browser.newContext(mediaOf(look));
      return new ChromiumPage(await context.newPage());
    },
    close: () => browser.close(),
  };
}

async function launchFirefox(look, sink) {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    env: { ...process.env, ...sink?.env },
    defaultViewport: null,
    extraPrefsFirefox: {
      ...FIREFOX_PREFERENCES,
      'layout.css.prefers-color-scheme.content-override': look.dark ? 0 : 1,
      'ui.prefersReducedMotion': look.reducedMotion ? 1 : 0,
    },
  });
  return {
    kind: 'firefox',
    version: await browser.version(),
    newPage: async () => new FirefoxPage(await browser.newPage(), look),
    close: () => browser.close(),
  };
}

/** What both drivers call the same. */
class Page {
  /** Errors that nobody caught and what was written to the console as an error, since the page was made. */
  errors = [];

  constructor(page) {
    this.driven = page;
    page.on('pageerror', (error) => this.errors.push(String(error.message ?? error)));
    page.on('console', (message) => message.type() === 'error' && this.errors.push(message.text()));
  }

  /** Waits until the document is there, not until its sound is: a live sound never is. */
  async goto(url) {
    await this.driven.goto(url, { waitUntil: 'domcontentloaded' });
  }

  async goBack() {
    await this.driven.goBack({ waitUntil: 'domcontentloaded' });
  }

  /** Calls `fn` (or its text) in the page, with arguments that JSON can carry; waits if it gives a promise. */
  evaluate(fn, ...args) {
    return this.driven.evaluate(`(${fn})(...${JSON.stringify(args)})`);
  }

  press(key) {
    return this.driven.keyboard.press(key);
  }

  click(selector) {
    return this.driven.click(selector);
  }

  /** Polls in the page until `fn` gives something true, and gives that. */
  waitFor(fn, { timeout = 30_000 } = {}, ...args) {
    const what = `${fn}`.replace(/\s+/g, ' ');
    return until(what, () => this.evaluate(fn, ...args), { timeout });
  }

  /** Presses the pointer at a fraction of the element's width, drags to another, and lets go. */
  async drag(selector, from, to) {
    const box = await this.evaluate((selector) => {
      const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect();
      return { x, y, width, height };
    }, selector);
    const at = (fraction) => [box.x + box.width * fraction, box.y + box.height / 2];
    await this.driven.mouse.move(...at(from));
    await this.driven.mouse.down();
    for (const part of [0.25, 0.5, 0.75, 1]) await this.driven.mouse.move(...at(from + (to - from) * part));
    await this.driven.mouse.up();
  }

  async screenshot(path) {
    await this.driven.screenshot({ path });
  }

  close() {
    return this.driven.close();
  }
}

class ChromiumPage extends Page {
  async viewport(width, height, look) {
    await this.driven.setViewportSize({ width, height });
    if (look) await this.driven.emulateMedia(mediaOf(look));
  }

  async close() {
    await this.driven.context().close();
  }
}

class FirefoxPage extends Page {
  #look;

  constructor(page, look) {
    super(page);
    this.#look = look;
  }

  async viewport(width, height, { dark = false, reducedMotion = false } = this.#look) {
    if (dark !== this.#look.dark || reducedMotion !== this.#look.reducedMotion) {
      throw new Error('Firefox has to be launched with this look');
    }
    await this.driven.setViewport({ width, height });
  }
}

const mediaOf = ({ dark = false, reducedMotion = false }) => ({
  colorScheme: dark ? 'dark' : 'light',
  reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
});
