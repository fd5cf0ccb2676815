"""What is wrong with the printed form of a page."""

from __future__ import annotations

from playwright.sync_api import Page

A4 = 718
"""The width of A4 paper between the margins, in CSS pixels."""
_CONTROLS = """
[...document.querySelectorAll("button, input, select, nav, dialog, label")].filter(one => one.getBoundingClientRect().height > 0)
  .map(one => `shown: ${one.outerHTML.slice(0, 80)}`)
"""
_CUT_OFF = """
[...document.querySelectorAll("main *")].filter(one => {
  const style = getComputedStyle(one), clips = ["hidden", "clip", "auto", "scroll"];
  if (one.closest("svg, .hidden-text") || one.getBoundingClientRect().height === 0) return false;
  return (clips.includes(style.overflowX) && one.scrollWidth > one.clientWidth + 1)
    || (clips.includes(style.overflowY) && one.scrollHeight > one.clientHeight + 1)
    || one.getBoundingClientRect().right > innerWidth + 1;
}).map(one => `cut off: ${one.tagName} ${one.className}: ${one.textContent.slice(0, 60)}`)
"""
_FOLDED = """
[...document.querySelectorAll("details")].filter(one =>
  ![...one.children].some(child => child.tagName !== "SUMMARY" && child.getBoundingClientRect().height > 0)
).map(one => `folded: ${one.textContent.slice(0, 60)}`)
"""
_DARK = "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)' ? [] : ['dark paper']"


def faults(page: Page) -> list[str]:
    """Return what a reader of the page on paper would miss, and what is of no use there."""
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    return [fault for found in (_CONTROLS, _CUT_OFF, _FOLDED, _DARK) for fault in page.evaluate(found)]
