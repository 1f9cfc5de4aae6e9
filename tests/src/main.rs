//! The demo service as a program: calls its upstreams until it is told to stop, and exports what the layers see.
#![expect(clippy::print_stderr, reason = "a program says on the terminal why it ends")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use poolscope::Scope;
use poolscope::otlp::Otlp;
use poolscope_tests::demo::{Breakers, Demo, Options, Pace};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// A shop that calls six upstreams: two are well, one is slow now and then, one fails with 503 and recovers, one resets
/// connections and one closes each of them. It serves feeds and a chat too, whose watchers and guests come, stay and vanish. Where its telemetry goes is told by the OTEL_* variables.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Seconds that the sick upstreams are well
    #[arg(long, default_value_t = 14.0)]
    well: f64,
    /// Seconds that the sick upstreams are ill after that
    #[arg(long, default_value_t = 10.0)]
    sick: f64,
    /// Workers for each upstream
    #[arg(long, default_value_t = 6)]
    workers: u32,
    /// Seconds that a careless job leaves a response alone before it reads it
    #[arg(long, default_value_t = 7.0)]
    held: f64,
    /// Lets its breakers be held from a dashboard that runs with --allow-control
    #[arg(long)]
    control: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let seconds = |text: &str, value: f64| {
        Duration::try_from_secs_f64(value).map_err(|error| {
            anyhow::anyhow!("--{text} {value} is no time in seconds ({error}); give a number such as 10")
        })
    };
    let pace = Pace { well: seconds("well", args.well)?, sick: seconds("sick", args.sick)? };

    let scope = Scope::new();
    let breakers = Breakers::new(&scope)?;
    let otlp = Otlp::new(&scope);
    let telemetry = match args.control {
        true => otlp.control(breakers.control()).start()?,
        false => otlp.start()?,
    };
    // The demo's own work is in `tracing` spans; the client spans become their children.
    let tracer = opentelemetry::trace::TracerProvider::tracer(telemetry.tracer_provider(), "poolscope-demo");
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(tracer))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(LevelFilter::WARN))
        .with(LevelFilter::INFO)
        .init();

    let held = seconds("held", args.held)?;
    let mut demo = Demo::start_with(&scope, Options { pace, workers: args.workers, held }, &breakers)
        .await
        .map_err(|error| anyhow::anyhow!("the demo could not start: {error}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    demo.stop_calls().await;
    drop(demo);
    telemetry.shutdown();
    Ok(())
}
