// A Chromium that reaches nothing but the server under test, and that tells of
// whatever went wrong in a page.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 390, height: 844 };

const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Starts the browser. No name resolves in it and its own errands are off, so that it stays on this machine. */
export function launch() {
  return chromium.launch({
    executablePath: places.find((place) => place && existsSync(place)),
    args: [
      "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
      "--disable-background-networking",
      "--font-render-hinting=none",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
}

/**
 * Opens a page, lets `use` work with it, and then holds it to what is asked of every
 * page: it asked no other host for anything, no script failed, nothing was against
 * the content policy, and the server had no fault.
 *
 * `look.expects` are statuses that `use` provokes on purpose.
 */
export async function visit(browser, origin, look, use) {
  const { lang = "en", dark = false, size = desktop, script = true, sharp = 1, session, expects = [] } = look;
  const context = await browser.newContext({
    baseURL: origin,
    locale: lang === "zh" ? "zh-CN" : "en-GB",
    timezoneId: "Asia/Shanghai",
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    viewport: size,
    deviceScaleFactor: sharp,
    javaScriptEnabled: script,
    permissions: ["clipboard-read", "clipboard-write"],
    storageState: session,
  });
  const wrong = [];
  await context.route(
    (url) => url.origin !== origin && url.protocol !== "data:" && url.protocol !== "blob:",
    (route) => {
      wrong.push(`asked elsewhere: ${route.request().url()}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => wrong.push(`script failed: ${error}`));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    const status = message.text().match(/status of (\d+)/)?.[1];
    if (!expects.includes(Number(status))) wrong.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("response", (response) => {
    const status = response.status();
    if (status >= 400 && !expects.includes(status)) wrong.push(`${status} ${response.request().method()} ${response.url()}`);
  });
  try {
    const result = await use(page, context);
    assert.deepEqual(wrong, [], `what went wrong beside the test at ${page.url()}`);
    return result;
  } catch (error) {
    error.message += `\nat ${page.url()}\n${wrong.join("\n")}`;
    if (process.env.DAOZHANG_BROWSER_FAILURES) {
      await page.screenshot({ path: `${process.env.DAOZHANG_BROWSER_FAILURES}/failure-${Date.now()}.png`, fullPage: true }).catch(() => {});
    }
    throw error;
  } finally {
    await context.close();
  }
}

/** How far the page can be moved to the right: 0 where it fits its window. */
export const overhang = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Which elements stick out to the right, to say what makes a page too wide. */
export const sticking = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("body *")]
      .filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll, [data-scroll]"))
      .slice(0, 5)
      .map((e) => `${e.tagName.toLowerCase()}.${e.className} "${e.textContent.trim().slice(0, 40)}"`),
  );
