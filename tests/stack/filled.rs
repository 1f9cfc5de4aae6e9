//! A Prometheus that has what the demo sends through the Collector, and questions that it must answer.

use std::time::{Duration, Instant};

use poolscope::Scope;
use poolscope::otlp::{Otlp, Telemetry};
use poolscope_tests::demo::{Demo, Options, Pace};
use poolscope_tests::stack::{Behind, Collector, Prometheus, file};

/// How long the demo may take until it has done everything that somebody asks for.
const PATIENCE: Duration = Duration::from_secs(150);

/// Collector and Prometheus, with the demo in front of them.
pub(crate) struct Filled {
    pub(crate) prometheus: Prometheus,
    _demo: Demo,
    _telemetry: Telemetry,
    _collector: Collector,
}

impl Filled {
    pub(crate) async fn start() -> Self {
        let config = file("collector-config/collector/gateway.yaml");
        let collector = Collector::start(&config, Behind::default(), &[]).await.unwrap();
        let prometheus = Prometheus::start(&collector).await.unwrap();
        let scope = Scope::new();
        let telemetry = Otlp::new(&scope)
            .service_name("shop")
            .endpoint(format!("http://{}", collector.grpc()))
            .metrics_interval(Duration::from_secs(1))
            .start()
            .unwrap();
        let pace = Pace { well: Duration::from_secs(4), sick: Duration::from_secs(4) };
        let demo = Demo::start(&scope, Options { pace, workers: 6, ..Options::default() }).await.unwrap();
        Self { prometheus, _demo: demo, _telemetry: telemetry, _collector: collector }
    }

    /// Asks until each question has a figure as its answer; a question is a name and the queries of which one must have it.
    ///
    /// # Panics
    /// If a query is refused, or if some questions stay without an answer; all of these are named.
    pub(crate) async fn must_answer(&self, mut questions: Vec<(String, Vec<String>)>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut open = Vec::new();
            for (name, queries) in questions {
                if !self.answers(&name, &queries).await {
                    open.push((name, queries));
                }
            }
            if open.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                let open: Vec<_> =
                    open.iter().map(|(name, queries)| format!("{name}: {}", queries[0])).collect();
                panic!("{} have no answer after {PATIENCE:?}:\n{}", open.len(), open.join("\n"));
            }
            questions = open;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn answers(&self, name: &str, queries: &[String]) -> bool {
        for query in queries {
            let samples = self.prometheus.query(query).await;
            let samples = samples.unwrap_or_else(|error| panic!("{name}: {error}"));
            // A quantile of nothing is no figure.
            if samples.iter().any(|sample| !sample.value.is_nan()) {
                return true;
            }
        }
        false
    }
}
