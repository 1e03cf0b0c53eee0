"""Simulated raters in a real Chromium: each reads the pages, waits for images, presses a key."""

from __future__ import annotations

import asyncio
import random
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

if TYPE_CHECKING:
    from playwright.async_api import Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
AT_ONCE = 4  # browsers' windows on two cores


def take_in_browsers(url: str, query: dict[str, str], raters: int) -> list[str]:
    """Let raters take the study at an address and return their completion codes.

    The query says that they are simulated, so every page and file says so too.
    """
    return asyncio.run(_all(f"{url}/s/my/?{urlencode(query)}", raters))


async def _all(link: str, raters: int) -> list[str]:
    from playwright.async_api import async_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise click.ClickException("no Chromium here: apt-get install chromium")
    free = asyncio.Semaphore(AT_ONCE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)

        async def one(number: int) -> str:
            async with free:
                # The authority is our own: what the certificate says is checked beside the browser.
                context = await browser.new_context(ignore_https_errors=True, locale="en-GB")
                context.set_default_timeout(120_000)
                try:
                    return await _take(await context.new_page(), link, random.Random(number))
                finally:
                    await context.close()

        codes = await asyncio.gather(*(one(number) for number in range(raters)))
        await browser.close()
    return codes


async def _take(page: Page, link: str, chance: random.Random) -> str:
    await page.goto(link)
    await page.click("button[value=yes]")
    await page.click("button[name=go]:enabled")
    await page.click("main .button")
    await page.wait_for_url("**/run")
    while "/run" in page.url:
        await _go_on(page, chance)
    await page.click("main .button")
    return (await page.inner_text("#code")).strip()


async def _go_on(page: Page, chance: random.Random) -> None:
    """Do what the trial page waits for: a card's button, the feedback's, or an answer."""
    choose = "#panels[data-state=choose]"
    card, feedback = page.locator("#card-button:visible"), page.locator("#next:visible")
    comment = page.locator("textarea")
    await page.locator(choose).or_(card).or_(feedback).or_(comment).first.wait_for()
    for button in (card, feedback):
        if await button.count():
            await button.click()
            await button.wait_for(state="hidden")
            return
    if await page.locator(choose).count():
        await page.keyboard.press(chance.choice("fj"))
        await page.wait_for_selector(choose, state="detached")
    elif await comment.count():
        await page.wait_for_url("**/comment")
