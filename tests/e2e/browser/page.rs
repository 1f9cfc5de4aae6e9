//! What a test sees of a page and does to it. Everything is found by its `data-testid`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fantoccini::Locator;
use poolscope_load::browser::Browser;
use serde_json::{Value, json};

/// How often a page is looked at while a test waits for something.
const LOOK: Duration = Duration::from_millis(50);

/// Of each element with a test id: its text, its `data-*` attributes, and the text of the elements with a test id in it.
const SEE: &str = r#"
    const [id] = arguments;
    return [...document.querySelectorAll(`[data-testid="${id}"]`)].map(element => {
        const seen = { text: element.innerText };
        for (const { name, value } of element.attributes) if (name.startsWith("data-")) seen[name] = value;
        for (const part of element.querySelectorAll("[data-testid]")) seen[part.dataset.testid] = part.innerText;
        return seen;
    });
"#;

/// What can't be seen whole: on a page that has to be scrolled sideways what reaches beyond the right edge, and what can
/// be worked with and is cut off by something around it.
const OVERFLOW: &str = r#"
    const right = one => one.getBoundingClientRect().right;
    const is_wide = document.documentElement.scrollWidth > innerWidth;
    const outside = is_wide ? [...document.querySelectorAll("body *")].filter(one => right(one) > innerWidth) : [];
    const is_cut = one => {
        if (!one.checkVisibility() || one.closest(".sr")) return false;
        for (let above = one.parentElement; above && above !== document.body; above = above.parentElement) {
            const { overflowX, textOverflow } = getComputedStyle(above);
            const cuts = ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis";
            if (cuts && right(one) > right(above) + 1) return true;
        }
        return false;
    };
    const cut = [...document.querySelectorAll("a, button, select, input, summary")].filter(is_cut);
    return [...outside, ...cut].slice(0, 5).map(one => one.cloneNode(false).outerHTML);
"#;

/// What is to be seen of one element: see [`Page::all`].
pub(super) type Seen = BTreeMap<String, String>;

/// The colours a page is asked to have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The one page of a browser.
#[derive(Debug)]
pub(super) struct Page {
    browser: Browser,
    /// The dashboard, which is all that a page may talk to.
    origin: String,
}

impl Page {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let origin = reqwest::Url::parse(url)?.origin().ascii_serialization();
        let page = Self { browser: Browser::start_noting_network().await?, origin };
        page.size(1280, 800).await?;
        page.go(url).await?;
        Ok(page)
    }

    pub(super) async fn go(&self, url: &str) -> Result<()> {
        self.browser.client.goto(url).await.with_context(|| format!("the browser cannot open {url}"))
    }

    /// Every element with this test id, in the order of the page.
    pub(super) async fn all(&self, id: &str) -> Result<Vec<Seen>> {
        let seen = self.browser.client.execute(SEE, vec![json!(id)]).await?;
        serde_json::from_value(seen).context("the page gave something else than it was asked for")
    }

    /// Waits until the elements with this test id are as they should be, and gives them.
    pub(super) async fn until(
        &self,
        what: &str,
        limit: Duration,
        id: &str,
        accept: impl Fn(&[Seen]) -> bool,
    ) -> Result<Vec<Seen>> {
        self.wait(what, limit, async || {
            let seen = self.all(id).await?;
            Ok(if accept(&seen) { Ok(seen) } else { Err(seen) })
        })
        .await
    }

    /// Clicks the first element with this test id, as soon as there is one.
    pub(super) async fn click(&self, id: &str) -> Result<()> {
        self.click_css(&format!(r#"[data-testid="{id}"]"#)).await
    }

    pub(super) async fn click_css(&self, selector: &str) -> Result<()> {
        self.wait(&format!("{selector} can be clicked"), Duration::from_secs(10), async || {
            // The element may be gone, or replaced, between the two steps.
            let element = match self.browser.client.find(Locator::Css(selector)).await {
                Ok(element) => element,
                Err(error) => return Ok(Err(error)),
            };
            Ok(element.click().await)
        })
        .await
    }

    /// What a script in the page returns.
    pub(super) async fn script(&self, script: &str) -> Result<Value> {
        self.browser
            .client
            .execute(script, Vec::new())
            .await
            .with_context(|| format!("the page refused {script}"))
    }

    /// Path and query of the address.
    pub(super) async fn address(&self) -> Result<String> {
        let address = self.script("return location.pathname + location.search").await?;
        Ok(address.as_str().unwrap_or_default().to_owned())
    }

    /// Presses a key, by its name in the DOM; a letter is typed where something is typed into.
    pub(super) async fn key(&self, key: &str, with_shift: bool) -> Result<()> {
        let letter = key.chars().next().filter(|_| key.len() == 1);
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            _ => (
                letter.map_or(0, |letter| u32::from(letter.to_ascii_uppercase())),
                letter.map_or("", |_| key),
            ),
        };
        for kind in ["keyDown", "keyUp"] {
            let modifiers = if with_shift { 8 } else { 0 };
            let mut event =
                json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.browser.devtools("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Draws with the mouse over an element, from one share of its width to another.
    pub(super) async fn drag(&self, selector: &str, from: f64, to: f64) -> Result<()> {
        let script = format!(
            "const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }}); \
             const r = e.getBoundingClientRect(); return [r.left, r.top + r.height / 2, r.width];"
        );
        let place: [f64; 3] = serde_json::from_value(self.script(&script).await?)?;
        let [left, y, width] = place;
        let steps = [
            ("mousePressed", from),
            ("mouseMoved", f64::midpoint(from, to)),
            ("mouseMoved", to),
            ("mouseReleased", to),
        ];
        for (kind, share) in steps {
            let event = json!({
                "type": kind, "x": left + width * share, "y": y, "button": "left", "buttons": 1, "clickCount": 1,
            });
            self.browser.devtools("Input.dispatchMouseEvent", event).await?;
        }
        Ok(())
    }

    /// Looks until it is `Ok`, at most for `limit`. The error names what was waited for, what was seen last, and the text
    /// of the page.
    async fn wait<T, E: Debug>(
        &self,
        what: &str,
        limit: Duration,
        look: impl AsyncFn() -> Result<Result<T, E>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let last = match look().await? {
                Ok(seen) => return Ok(seen),
                Err(last) => last,
            };
            if Instant::now() >= deadline {
                let text = self.browser.client.execute("return document.body.innerText", Vec::new()).await?;
                let text = text.as_str().unwrap_or_default();
                bail!(
                    "within {limit:?} it did not happen that {what}; last seen: {last:?}; the page:\n{text}"
                );
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sizes the page itself; a window cannot be as narrow as a telephone.
    pub(super) async fn size(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    /// Makes the system prefer these colours, as far as the page can tell.
    pub(super) async fn prefer(&self, theme: Theme) -> Result<()> {
        self.prefer_all(&[("prefers-color-scheme", theme.name())]).await
    }

    /// Makes the system prefer all of this, and nothing else.
    pub(super) async fn prefer_all(&self, preferences: &[(&str, &str)]) -> Result<()> {
        let features: Vec<_> =
            preferences.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await.map(drop)
    }

    /// Puts the browser into a zone of time; what is shown follows with the next page.
    pub(super) async fn zone(&self, name: &str) -> Result<()> {
        let zone = json!({ "timezoneId": name });
        self.browser.devtools("Emulation.setTimezoneOverride", zone).await.map(drop)
    }

    /// What can't be seen whole; nothing on a page that fits.
    pub(super) async fn overflow(&self) -> Result<Vec<String>> {
        let outside = self.browser.client.execute(OVERFLOW, Vec::new()).await?;
        serde_json::from_value(outside).context("the page gave something else than it was asked for")
    }

    /// The colour behind everything.
    pub(super) async fn background(&self) -> Result<String> {
        let script = "return getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).backgroundColor";
        Ok(self.browser.client.execute(script, Vec::new()).await?.to_string())
    }

    /// What has gone wrong since the last call: errors in the console, and requests to anybody but the dashboard.
    pub(super) async fn errors(&self) -> Result<Vec<String>> {
        let entries = self.browser.console().await?;
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE").map(Value::to_string);
        let elsewhere = self.requests().await?.into_iter().filter(|url| !self.is_own(url));
        Ok(severe.chain(elsewhere.map(|url| format!("a request to {url}"))).collect())
    }

    /// Where the page has sent requests since the last call.
    pub(super) async fn requests(&self) -> Result<Vec<String>> {
        let told = self.browser.network().await?;
        let urls = told.iter().filter_map(|told| match told["method"].as_str()? {
            "Network.requestWillBeSent" => told["params"]["request"]["url"].as_str(),
            "Network.webSocketCreated" => told["params"]["url"].as_str(),
            _ => None,
        });
        Ok(urls.map(str::to_owned).collect())
    }

    /// True for an address of the dashboard, and for what never leaves the page.
    pub(super) fn is_own(&self, url: &str) -> bool {
        ["data:", "blob:"].iter().any(|within| url.starts_with(within))
            || reqwest::Url::parse(url).is_ok_and(|url| url.origin().ascii_serialization() == self.origin)
    }

    /// Stores a picture of the whole page, in both themes, wide and narrow.
    pub(super) async fn pictures(&self, name: &str) -> Result<()> {
        let dir = std::env::var_os("POOLSCOPE_SCREENSHOTS").map_or_else(default_pictures, PathBuf::from);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for (label, width) in [("wide", 1280), ("400", 400)] {
            for theme in [Theme::Light, Theme::Dark] {
                self.prefer(theme).await?;
                self.size(width, 800).await?;
                let script = "return document.documentElement.scrollHeight";
                let height =
                    self.browser.client.execute(script, Vec::new()).await?.as_u64().unwrap_or_default();
                self.size(width, u32::try_from(height.clamp(800, 6000))?).await?;
                let file = dir.join(format!("{name}-{label}-{}.png", theme.name()));
                let picture = self.browser.client.screenshot().await?;
                std::fs::write(&file, picture).with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        self.prefer(Theme::Light).await?;
        self.size(1280, 800).await
    }
}

fn default_pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots")
}
