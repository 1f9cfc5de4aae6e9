//! What the dashboard's page costs a browser while a large fleet reports: the real page, served by the real server, in a
//! headless Chromium.
//!
//! An update is a report of the whole fleet: every figure of every pool has changed. What Chromium tells of the main
//! thread is processor time, not time that passed, so that a busy machine does not count. Frames do feel a busy machine:
//! what is told of them is from one frame to the next by the clock that frames are made by, so 16.7 ms is a frame that was
//! in time, and 33.3 one that was left out. There is no display and no graphics card: what they would do is done by the
//! processor, in other threads. Asking for frames costs too, so the two are measured one after the other.

mod page;
mod reporter;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use self::page::Page;
use self::reporter::Reporter;
use crate::fleet::Size;
use crate::receiver::Receiver;

const FLEET: Size = Size { instances: 20, pools: 50, connections: 10 };
/// A fleet that is looked at reports so often.
const REAL: Duration = Duration::from_secs(1);
/// The live stream comes as often at most, so that more is not to be seen.
const FAST: Duration = Duration::from_millis(200);
/// As many as two minutes of reports: what the page keeps of a pool.
const BEFORE: u64 = 120;
/// Browsers that are opened to see how soon there is something on the screen.
const OPENED: usize = 5;
/// Pixels of a frame while somebody scrolls.
const SCROLL: u32 = 24;

/// What is measured, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Program of the dashboard
    #[arg(long, value_name = "FILE")]
    dashboard: PathBuf,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Updates before the memory is looked at: half an hour of them
    #[arg(long, default_value_t = 1_800)]
    updates: u64,
    /// Writes a profile of the main thread for each page into this folder
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
}

/// Measures, and tells the figures as JSON.
///
/// # Errors
/// If the dashboard or the browser does not start, or the page does not show the fleet.
pub async fn measure(options: &Options, say: impl Fn(String)) -> Result<Value> {
    let server = Receiver::dashboard(&options.dashboard, &[])?;
    let Some(addr) = server.page else { bail!("the dashboard told no address for browsers") };
    let overview = format!("http://{addr}/");
    let mut reporter = Reporter::start(FLEET, &server);
    say(format!("{BEFORE} reports before somebody looks"));
    reporter.every(FAST);
    wait_for(&mut reporter, BEFORE).await?;
    reporter.every(REAL);

    say(format!("{OPENED} browsers are opened"));
    let (mut first, mut downloaded) = (Vec::new(), 0.0);
    for _ in 0..OPENED {
        let page = Page::open(&overview).await?;
        first.push(page.first_data_ms().await?);
        downloaded = page.downloaded().await?;
    }

    let page = Page::open(&overview).await?;
    page.first_data_ms().await?;
    say("the overview".to_owned());
    let start = Memory::of(&page).await?;
    let of_overview = Course { name: "overview", scroll: 0 }.run(&page, &mut reporter, options).await?;
    say("the overview, scrolled".to_owned());
    let scrolled = page.frames(Duration::from_secs(options.seconds), SCROLL).await?;
    page.script("scrollTo(0, 0)").await?;

    say(format!("{} updates", options.updates));
    reporter.every(FAST);
    let until = reporter.reports().await? + options.updates;
    wait_for(&mut reporter, until).await?;
    reporter.every(REAL);
    let end = Memory::of(&page).await?;

    say("a pool".to_owned());
    page.script("document.querySelector('[data-testid=\"pool-row\"] a').click()").await?;
    page.until("return document.querySelectorAll('[data-testid=\"pool-page\"] canvas, [data-testid=\"pool-page\"] svg').length").await?;
    let of_pool = Course { name: "pool", scroll: 0 }.run(&page, &mut reporter, options).await?;

    Ok(json!({
        "pools": FLEET.instances * FLEET.pools,
        "connections": (FLEET.instances * FLEET.pools) as u64 * FLEET.connections,
        "overview": of_overview,
        "overview_scrolled_frames_ms": scrolled,
        "pool": of_pool,
        "updates": options.updates,
        "start": start.told(),
        "end": end.told(),
        "first_data_ms": first,
        "download_bytes_br": downloaded,
        "server_rss_bytes": server.resident()?,
    }))
}

async fn wait_for(reporter: &mut Reporter, reports: u64) -> Result<()> {
    while reporter.reports().await? < reports {
        tokio::time::sleep(FAST).await;
    }
    Ok(())
}

/// What a page holds.
struct Memory {
    heap: f64,
    module: f64,
    nodes: f64,
}

impl Memory {
    async fn of(page: &Page) -> Result<Self> {
        let [heap, module] = page.memory().await?;
        Ok(Self { heap, module, nodes: page.counted().await?.get("Nodes")? })
    }

    fn told(&self) -> Value {
        json!({ "heap_bytes": self.heap, "module_bytes": self.module, "dom_nodes": self.nodes })
    }
}

/// One page, measured.
struct Course {
    name: &'static str,
    scroll: u32,
}

impl Course {
    async fn run(&self, page: &Page, reporter: &mut Reporter, options: &Options) -> Result<Value> {
        let time = Duration::from_secs(options.seconds);
        let text = "return document.querySelector('main').innerText";
        let before_text = page.script(text).await?;
        let frames = page.frames(time, self.scroll).await?;
        let (started, before) = (reporter.reports().await?, page.counted().await?);
        let ([streamed_before, messages_before], began) = (page.streamed().await?, Instant::now());
        tokio::time::sleep(time).await;
        let (updates, after) = (reporter.reports().await? - started, page.counted().await?);
        let ([streamed, messages], took) = (page.streamed().await?, began.elapsed());
        if updates == 0 || page.script(text).await? == before_text {
            bail!("the page {} does not change although the fleet reports", self.name);
        }
        if let Some(dir) = &options.profile {
            std::fs::create_dir_all(dir)?;
            page.profile(time, &dir.join(format!("{}.cpuprofile", self.name))).await?;
        }
        let of =
            |name: &str| -> Result<f64> { Ok((after.get(name)? - before.get(name)?) * 1e3 / updates as f64) };
        Ok(json!({
            "frames_ms": frames,
            "updates": updates,
            "seconds": took.as_secs_f64(),
            // What asking costs is left out.
            "main_ms_per_update": of("TaskDuration")? - of("DevToolsCommandDuration")?,
            "script_ms_per_update": of("ScriptDuration")?,
            "layout_ms_per_update": of("LayoutDuration")?,
            "style_ms_per_update": of("RecalcStyleDuration")?,
            "messages_per_update": (messages - messages_before) / updates as f64,
            "stream_bytes_per_update": (streamed - streamed_before) / updates as f64,
        }))
    }
}
