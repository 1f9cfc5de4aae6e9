//! The keyboard: where the focus is, how it is seen, and the way of the Tab key.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::page::Page;

/// What has the focus, and how that is seen. The ring may be that of the row around it; what is under the bar on top or
/// outside of the window is not seen.
const FOCUS: &str = r#"
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const of_row = element.closest(".trace, .pool");
    const ringed = [element, of_row].find(one => one && getComputedStyle(one).outlineStyle !== "none");
    const ring = ringed && getComputedStyle(ringed);
    const box = element.getBoundingClientRect();
    const [from, to] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
    const top = document.elementFromPoint(box.left + box.width / 2, (from + to) / 2);
    const name = element.getAttribute("aria-label") ?? element.labels?.[0]?.innerText ?? element.innerText ?? "";
    return {
        id: element.dataset.testid ?? "",
        name: name.trim().slice(0, 200),
        html: element.cloneNode(false).outerHTML.slice(0, 200),
        ring: ring ? parseFloat(ring.outlineWidth) : 0,
        in_view: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        covered: !(top && (element.contains(top) || top.contains(element))),
        place: window.stops ? window.stops.indexOf(element) : -1,
    };
"#;

/// What has the focus.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Focus {
    /// Its test id; empty without.
    pub(super) id: String,
    /// What a screen reader calls it, more or less.
    pub(super) name: String,
    pub(super) html: String,
    /// Width of the ring around it, in CSS pixels.
    pub(super) ring: f64,
    pub(super) in_view: bool,
    /// Something else lies over its middle.
    pub(super) covered: bool,
    /// Its place among the stops that were noted; -1 for none of them.
    pub(super) place: i64,
}

/// What has the focus; `None` while nothing has.
pub(super) async fn focus(page: &Page) -> Result<Option<Focus>> {
    serde_json::from_value(page.script(FOCUS).await?).context("the page tells of its focus otherwise")
}

/// Presses a key until what has the focus is what is wanted, at most so many times.
pub(super) async fn press_until(
    page: &Page,
    key: &str,
    most: usize,
    what: &str,
    is_wanted: impl Fn(&Focus) -> bool,
) -> Result<Focus> {
    let mut way = Vec::new();
    for _ in 0..most {
        page.key(key, false).await?;
        if let Some(focus) = focus(page).await? {
            if is_wanted(&focus) {
                return Ok(focus);
            }
            way.push(format!("{} {:?}", focus.id, focus.name));
        }
    }
    bail!("{what} does not have the focus after {key} was pressed {most} times; it went: {way:#?}")
}

/// Presses Tab until an element with a test id has the focus, and Enter on it.
pub(super) async fn enter(page: &Page, id: &str) -> Result<()> {
    press_until(page, "Tab", 150, id, |focus| focus.id == id).await?;
    page.key("Enter", false).await
}
