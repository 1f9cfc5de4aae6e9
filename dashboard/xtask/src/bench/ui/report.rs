//! The figures of the page, for people and for programs, and what was promised.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::bench::measuring::verdict;
use crate::bench::spread::{median, quantile};

/// From one frame to the next in milliseconds, below which 95 of 100 stay: 60 a second.
const FRAME_MS: f64 = 16.7;
/// Processor time of the main thread for an update of all pools, at most.
const MAIN_MS: f64 = 12.0;
/// Bytes of the download, below which it stays.
const DOWNLOAD: f64 = 150_000.0;
/// From navigation to the first pool on the screen, below which it stays.
const FIRST_MS: f64 = 1_000.0;

/// What was measured.
#[derive(Debug)]
pub(super) struct Figures {
    pools: u64,
    connections: u64,
    updates: u64,
    overview: Course,
    pool: Course,
    scrolled: Frames,
    start: Memory,
    end: Memory,
    first_data_ms: f64,
    download: f64,
}

/// One page while the fleet reports.
#[derive(Debug)]
struct Course {
    frames: Frames,
    main_ms: f64,
    script_ms: f64,
    layout_ms: f64,
    style_ms: f64,
    stream_bytes: f64,
}

/// Milliseconds from one frame to the next.
#[derive(Debug)]
struct Frames {
    p50: f64,
    p95: f64,
    p99: f64,
}

#[derive(Debug)]
struct Memory {
    heap_mb: f64,
    module_mb: f64,
    dom_nodes: u64,
}

impl Figures {
    /// Reads what the program of the bench has printed.
    pub(super) fn read(told: &Value) -> Result<Self> {
        let count = |key: &str| told[key].as_u64().with_context(|| format!("the bench did not tell {key}"));
        Ok(Self {
            pools: count("pools")?,
            connections: count("connections")?,
            updates: count("updates")?,
            overview: Course::read(&told["overview"])?,
            pool: Course::read(&told["pool"])?,
            scrolled: Frames::read(&told["overview_scrolled_frames_ms"])?,
            start: Memory::read(&told["start"])?,
            end: Memory::read(&told["end"])?,
            first_data_ms: median(list(&told["first_data_ms"])?).context("no browser was opened")?,
            download: number(told, "download_bytes_br")?,
        })
    }
}

impl Course {
    fn read(told: &Value) -> Result<Self> {
        Ok(Self {
            frames: Frames::read(&told["frames_ms"])?,
            main_ms: number(told, "main_ms_per_update")?,
            script_ms: number(told, "script_ms_per_update")?,
            layout_ms: number(told, "layout_ms_per_update")?,
            style_ms: number(told, "style_ms_per_update")?,
            stream_bytes: number(told, "stream_bytes_per_update")?,
        })
    }
}

impl Frames {
    fn read(told: &Value) -> Result<Self> {
        let share = |share| quantile(list(told)?, share).context("the page drew no frames");
        Ok(Self { p50: share(0.5)?, p95: share(0.95)?, p99: share(0.99)? })
    }
}

impl Memory {
    fn read(told: &Value) -> Result<Self> {
        Ok(Self {
            heap_mb: number(told, "heap_bytes")? / 1e6,
            module_mb: number(told, "module_bytes")? / 1e6,
            dom_nodes: number(told, "dom_nodes")? as u64,
        })
    }
}

fn number(told: &Value, key: &str) -> Result<f64> {
    told[key].as_f64().with_context(|| format!("the bench did not tell {key}"))
}

fn list(told: &Value) -> Result<impl Iterator<Item = f64>> {
    let all = told.as_array().context("the bench did not tell a list")?;
    Ok(all.iter().filter_map(Value::as_f64))
}

/// Prints a table, and each promise with whether it holds.
pub(super) fn print(figures: &Figures) {
    let Figures { overview, pool, scrolled, start, end, .. } = figures;
    println!(
        "\n{} pools, {} connections, every figure new in each update\n",
        figures.pools, figures.connections
    );
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "page", "frame p50", "p95 ms", "p99 ms", "main ms", "script ms", "layout ms", "style ms", "stream kB"
    );
    for (name, course) in [("overview", overview), ("pool", pool)] {
        println!(
            "{name:<20} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1}",
            course.frames.p50,
            course.frames.p95,
            course.frames.p99,
            course.main_ms,
            course.script_ms,
            course.layout_ms,
            course.style_ms,
            course.stream_bytes / 1e3,
        );
    }
    println!(
        "{:<20} {:>9.1} {:>9.1} {:>9.1}",
        "overview, scrolled", scrolled.p50, scrolled.p95, scrolled.p99
    );
    println!("\n{:<20} {:>9} {:>9} {:>9}", "memory", "heap MB", "module MB", "DOM nodes");
    let after = format!("{} updates later", figures.updates);
    for (name, memory) in [("at the start", start), (after.as_str(), end)] {
        println!("{name:<20} {:>9.1} {:>9.1} {:>9}", memory.heap_mb, memory.module_mb, memory.dom_nodes);
    }
    println!();
    promises(figures).iter().for_each(|line| println!("{line}"));
}

/// Each promise with what was measured.
fn promises(figures: &Figures) -> Vec<String> {
    let Figures { overview, first_data_ms, download, .. } = figures;
    vec![
        verdict(
            overview.frames.p95 < FRAME_MS,
            &format!("95 of 100 frames after {:.1} ms at most, promised < {FRAME_MS}", overview.frames.p95),
        ),
        verdict(
            overview.main_ms <= MAIN_MS,
            &format!("{:.1} ms of the main thread for an update, promised <= {MAIN_MS:.0}", overview.main_ms),
        ),
        verdict(
            *download < DOWNLOAD,
            &format!("{:.1} kB to download, promised < {:.0}", download / 1e3, DOWNLOAD / 1e3),
        ),
        verdict(
            *first_data_ms < FIRST_MS,
            &format!("the first pool on the screen after {first_data_ms:.0} ms, promised < {FIRST_MS:.0}"),
        ),
    ]
}

/// The figures as one object; those without the name of a page are the overview's.
pub(super) fn json(figures: &Figures) -> String {
    let Figures { overview, pool, scrolled, start, end, .. } = figures;
    let object = json!({
        "bench": "ui",
        "pools": figures.pools,
        "connections": figures.connections,
        "updates": figures.updates,
        "frame_ms_p50": overview.frames.p50,
        "frame_ms_p95": overview.frames.p95,
        "frame_ms_p99": overview.frames.p99,
        "scrolled_frame_ms_p95": scrolled.p95,
        "scrolled_frame_ms_p99": scrolled.p99,
        "main_ms_per_update": overview.main_ms,
        "script_ms_per_update": overview.script_ms,
        "layout_ms_per_update": overview.layout_ms,
        "style_ms_per_update": overview.style_ms,
        "stream_bytes_per_update": overview.stream_bytes,
        "pool_frame_ms_p95": pool.frames.p95,
        "pool_frame_ms_p99": pool.frames.p99,
        "pool_main_ms_per_update": pool.main_ms,
        "pool_script_ms_per_update": pool.script_ms,
        "heap_mb_start": start.heap_mb,
        "heap_mb_end": end.heap_mb,
        "module_mb_start": start.module_mb,
        "module_mb_end": end.module_mb,
        "dom_nodes_start": start.dom_nodes,
        "dom_nodes_end": end.dom_nodes,
        "first_data_ms": figures.first_data_ms,
        "download_bytes_br": figures.download,
    });
    format!("{object:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(frame_ms: f64, main_ms: f64, download: f64, first_ms: f64) -> Figures {
        let course = json!({
            "frames_ms": vec![frame_ms; 9], "main_ms_per_update": main_ms, "script_ms_per_update": 1.0,
            "layout_ms_per_update": 1.0, "style_ms_per_update": 1.0, "stream_bytes_per_update": 1_000.0,
        });
        let memory = json!({ "heap_bytes": 2e6, "module_bytes": 4e6, "dom_nodes": 900.0 });
        let told = json!({
            "pools": 1_000, "connections": 10_000, "updates": 1_800, "overview": course, "pool": course,
            "overview_scrolled_frames_ms": [frame_ms], "start": memory, "end": memory,
            "first_data_ms": [first_ms, first_ms, 9_999.0], "download_bytes_br": download,
        });
        Figures::read(&told).unwrap()
    }

    #[test]
    fn a_promise_is_kept_or_missed() {
        let verdicts = |figures: &Figures| {
            promises(figures).iter().map(|line| line.starts_with("holds")).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&figures(16.667, 12.0, 149_999.0, 999.0)), [true; 4]);
        assert_eq!(verdicts(&figures(33.3, 12.1, 150_000.0, 1_000.0)), [false; 4]);
    }

    #[test]
    fn figures_have_the_names_that_were_asked_for() {
        let told: Value = serde_json::from_str(&json(&figures(16.667, 3.0, 1e5, 500.0))).unwrap();
        assert_eq!((&told["frame_ms_p99"], &told["script_ms_per_update"]), (&json!(16.667), &json!(1.0)));
        assert_eq!((&told["heap_mb_end"], &told["download_bytes_br"]), (&json!(2.0), &json!(1e5)));
        assert_eq!((&told["first_data_ms"], &told["dom_nodes_end"]), (&json!(500.0), &json!(900)));
        assert!(Figures::read(&json!({})).is_err());
    }
}
