//! What taking OTLP costs: processor time of the receiver by points, and its memory, for the dashboard and for the
//! OpenTelemetry Collector beside it.
//!
//! Both get the same requests in turns, over one connection, one request after the other: what else the machine does hits
//! both. The Collector has a receiver of OTLP and an exporter that does nothing, so it decodes and forgets; the dashboard
//! also keeps every series, its history and its condition. Nobody looks at it meanwhile.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use serde_json::{Value, json};

use crate::fleet::{self, Instance, Size};
use crate::receiver::Receiver;
use crate::send::{Protocol, Sender, Signal};

/// Series that both get.
const SERIES: usize = 100_000;
/// Instances, each with a request of its own at a time.
const INSTANCES: usize = 40;
/// Reports of the whole fleet in a round: some hundred milliseconds of processor time, of which the system tells hundredths
/// of a second.
const REPORTS: u64 = 3;
/// Reports before the first round: each series is known then, and each place of memory was used.
const WARM_UP: u64 = 3;

/// What is measured, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Program of the dashboard
    #[arg(long, value_name = "FILE")]
    dashboard: PathBuf,
    /// Program of the Collector; without it, only the dashboard is measured
    #[arg(long, value_name = "FILE")]
    collector: Option<PathBuf>,
    /// Rounds of each
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Series that are sent
    #[arg(long, default_value_t = SERIES)]
    series: usize,
}

/// A receiver with what was measured of it.
struct Subject {
    name: &'static str,
    receiver: Receiver,
    sender: Sender,
    /// Reports that it has got.
    step: u64,
    /// Seconds of processor time of each round, by report.
    seconds: Vec<f64>,
}

/// Measures both protocols, and tells the figures as JSON.
///
/// # Errors
/// If a receiver does not start, or does not take something.
pub async fn measure(options: &Options, say: impl Fn(String)) -> Result<Value> {
    let pools = options.series.div_ceil(fleet::per_pool() * INSTANCES);
    let mut fleet = Instance::all(Size { instances: INSTANCES, pools, connections: 10 });
    let points: usize = fleet.iter().map(Instance::points).sum();
    let bytes: usize = fleet.iter_mut().map(|one| one.report(1_000, SystemTime::now()).len()).sum();
    let mut rows = Vec::new();
    for (protocol, name) in [(Protocol::Grpc, "grpc"), (Protocol::Http, "http")] {
        say(format!("{name}: {} rounds of {REPORTS} reports of {points} points", options.rounds));
        let mut subjects = vec![dashboard(&options.dashboard, protocol)?];
        subjects
            .extend(options.collector.as_deref().map(|program| collector(program, protocol)).transpose()?);
        for subject in &mut subjects {
            subject.round(&mut fleet, WARM_UP).await?;
            subject.seconds.clear();
        }
        for round in 0..options.rounds {
            let mut turn: Vec<_> = subjects.iter_mut().collect();
            if round % 2 == 1 {
                turn.reverse();
            }
            for subject in turn {
                subject.round(&mut fleet, REPORTS).await?;
            }
        }
        for subject in subjects {
            rows.push(json!({
                "receiver": subject.name,
                "protocol": name,
                "rounds_points_per_second_per_core": subject.rates(points),
                "rss_bytes": subject.receiver.resident()?,
            }));
        }
    }
    Ok(json!({
        "series": points,
        "pools": pools * INSTANCES,
        "points_per_request": points / INSTANCES,
        "bytes_per_point": bytes as f64 / points as f64,
        "rows": rows,
    }))
}

fn dashboard(program: &Path, protocol: Protocol) -> Result<Subject> {
    Ok(Subject::new("dashboard", Receiver::dashboard(program, &[])?, protocol))
}

fn collector(program: &Path, protocol: Protocol) -> Result<Subject> {
    Ok(Subject::new("collector", Receiver::collector(program)?, protocol))
}

impl Subject {
    fn new(name: &'static str, receiver: Receiver, protocol: Protocol) -> Self {
        let to = if protocol == Protocol::Grpc { receiver.grpc } else { receiver.http };
        Self { name, receiver, sender: Sender::new(protocol, to), step: 0, seconds: Vec::new() }
    }

    async fn round(&mut self, fleet: &mut [Instance], reports: u64) -> Result<()> {
        let before = self.receiver.cpu()?;
        for _ in 0..reports {
            let at = SystemTime::now();
            for instance in &mut *fleet {
                self.sender.send(Signal::Metrics, &instance.report(self.step, at)).await?;
            }
            self.step += 1;
        }
        let used = self.receiver.cpu()?.saturating_sub(before);
        self.seconds.push(used.as_secs_f64() / reports as f64);
        Ok(())
    }

    /// Points by second of processor time, of each round.
    fn rates(&self, points: usize) -> Vec<f64> {
        self.seconds.iter().map(|seconds| points as f64 / seconds).collect()
    }
}
