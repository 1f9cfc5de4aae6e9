//! What can be measured of a page.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::browser::Browser;

const PROBE: &str = include_str!("probe.js");
/// The window of a person at a desk.
const SIZE: (u32, u32) = (1440, 900);
/// How long a page may take to show what it is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Microseconds between two samples of a profile.
const SAMPLE_US: u64 = 200;

/// The one page of a fresh browser, with the probe in it.
#[derive(Debug)]
pub(super) struct Page {
    browser: Browser,
}

/// What Chromium has counted of a page since it was opened.
#[derive(Debug)]
pub(super) struct Counted(BTreeMap<String, f64>);

impl Counted {
    pub(super) fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().with_context(|| format!("Chromium told no {name}"))
    }
}

impl Page {
    /// Starts a browser, and opens a page when all is ready to measure.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let page = Self { browser: Browser::start().await? };
        let (width, height) = SIZE;
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        page.browser.devtools("Emulation.setDeviceMetricsOverride", screen).await?;
        // Time that a thread has really run, whatever else the machine does.
        page.browser.devtools("Performance.enable", json!({ "timeDomain": "threadTicks" })).await?;
        page.browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": PROBE })).await?;
        page.browser.client.goto(url).await.with_context(|| format!("the browser cannot open {url}"))?;
        Ok(page)
    }

    pub(super) async fn script(&self, script: &str) -> Result<Value> {
        let answer = self.browser.client.execute(script, Vec::new()).await;
        answer.with_context(|| format!("the page refused {script}"))
    }

    /// Waits until a script returns something else than null, false or 0.
    pub(super) async fn until(&self, script: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.script(script).await?;
            if !matches!(&value, Value::Null | Value::Bool(false)) && value != json!(0) {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                let text = self.script("return document.body.innerText").await?;
                bail!("it did not happen that `{script}`; the page says {text}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Milliseconds from navigation to the first pool on the screen.
    pub(super) async fn first_data_ms(&self) -> Result<f64> {
        self.until("return poolscopeProbe.first").await?.as_f64().context("the probe told no time")
    }

    /// Bytes of all files of the page, as they came.
    pub(super) async fn downloaded(&self) -> Result<f64> {
        let script = "const all = performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'));
            return all.filter(one => !new URL(one.name).pathname.startsWith('/api/'))
                .reduce((sum, one) => sum + one.encodedBodySize, 0);";
        self.script(script).await?.as_f64().context("the page told no sizes")
    }

    /// Milliseconds from each frame to the next while a time passes, scrolled by so many pixels in each.
    pub(super) async fn frames(&self, time: Duration, scroll: u32) -> Result<Vec<f64>> {
        self.script(&format!("poolscopeProbe.watchFrames({scroll})")).await?;
        tokio::time::sleep(time).await;
        let frames: Vec<f64> =
            serde_json::from_value(self.script("return poolscopeProbe.takeFrames()").await?)?;
        Ok(frames.windows(2).map(|pair| pair[1] - pair[0]).collect())
    }

    /// Characters of the live stream so far, and messages.
    pub(super) async fn streamed(&self) -> Result<[f64; 2]> {
        let told = self.script("return [poolscopeProbe.streamed, poolscopeProbe.messages]").await?;
        serde_json::from_value(told).context("the probe told no sizes")
    }

    pub(super) async fn counted(&self) -> Result<Counted> {
        let told = self.browser.devtools("Performance.getMetrics", json!({})).await?;
        let metrics = told["metrics"].as_array().context("Chromium told no metrics")?;
        let pairs =
            metrics.iter().filter_map(|one| Some((one["name"].as_str()?.to_owned(), one["value"].as_f64()?)));
        Ok(Counted(pairs.collect()))
    }

    /// Bytes that are held after what can be forgotten was: by JavaScript, and by the module.
    pub(super) async fn memory(&self) -> Result<[f64; 2]> {
        self.browser.devtools("HeapProfiler.collectGarbage", json!({})).await?;
        let heap = self.counted().await?.get("JSHeapUsedSize")?;
        let module = self.script("return poolscopeProbe.memory?.buffer.byteLength ?? null").await?;
        Ok([heap, module.as_f64().context("the probe did not see the module's memory")?])
    }

    /// Writes where the time of the main thread goes while `time` passes, in the form that Chromium's tools read.
    pub(super) async fn profile(&self, time: Duration, file: &Path) -> Result<()> {
        self.browser.devtools("Profiler.enable", json!({})).await?;
        self.browser.devtools("Profiler.setSamplingInterval", json!({ "interval": SAMPLE_US })).await?;
        self.browser.devtools("Profiler.start", json!({})).await?;
        tokio::time::sleep(time).await;
        let told = self.browser.devtools("Profiler.stop", json!({})).await?;
        self.browser.devtools("Profiler.disable", json!({})).await?;
        std::fs::write(file, told["profile"].to_string())
            .with_context(|| format!("cannot write {}", file.display()))
    }
}
