//! Prometheus, with the committed configuration, and its query API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::{fs, io};

use serde::Deserialize;
use serde_json::Value;

use super::{Collector, Program, file, free_addrs, text};

/// Name the programs, when they are not on the search path.
const PROGRAM: &str = "PROMETHEUS_BIN";
const TOOL: &str = "PROMTOOL_BIN";
/// Folder of the configuration and of the rules that it names.
const FOLDER: &str = "collector-config/prometheus";
/// What is scraped in the committed configuration: the services' metrics, and the Collector's own.
const TARGETS: [&str; 2] = ["127.0.0.1:9464", "127.0.0.1:8888"];

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    _program: Program,
    addr: SocketAddr,
    client: reqwest::Client,
}

/// One series of an answer, with its latest value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels of the series, `__name__` among them where the query keeps it.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Sample {
    /// A label's value; empty if the series has none, as in PromQL.
    #[must_use]
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Value>,
}

impl Prometheus {
    /// Starts it with the committed configuration and rules; it scrapes a Collector every second.
    ///
    /// # Errors
    /// If there is no Prometheus, or it does not take its configuration; the error has what it said.
    pub async fn start(collector: &Collector) -> io::Result<Self> {
        let [addr] = free_addrs()?;
        let folder = Program::folder("prometheus")?;
        let mut config = text(&format!("{FOLDER}/prometheus.yml"))?;
        let [metrics, own] = TARGETS;
        for (from, to) in [
            (metrics, collector.prometheus().to_string()),
            (own, collector.own().to_string()),
            ("scrape_interval: 5s", "scrape_interval: 1s".to_owned()),
            ("evaluation_interval: 5s", "evaluation_interval: 1s".to_owned()),
        ] {
            if !config.contains(from) {
                return Err(io::Error::other(format!("prometheus.yml has no {from} any more")));
            }
            config = config.replace(from, &to);
        }
        fs::write(folder.join("prometheus.yml"), config)?;
        let rules = file(FOLDER).join("rules");
        if rules.is_dir() {
            fs::create_dir_all(folder.join("rules"))?;
            for rule in fs::read_dir(rules)? {
                let rule = rule?;
                fs::copy(rule.path(), folder.join("rules").join(rule.file_name()))?;
            }
        }
        let mut command = Command::new(Program::find(PROGRAM, &["prometheus"])?);
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.args(["--enable-feature=exemplar-storage", "--web.enable-lifecycle"]);
        command.arg(format!("--web.listen-address={addr}"));
        let mut program = Program::start("Prometheus", folder, &mut command)?;
        let client = reqwest::Client::new();
        let url = format!("http://{addr}/-/ready");
        program
            .ready(async || client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()))
            .await?;
        Ok(Self { _program: program, addr, client })
    }

    /// A command of promtool, which checks and tests rules.
    ///
    /// # Errors
    /// If there is none.
    pub fn promtool() -> io::Result<Command> {
        Ok(Command::new(Program::find(TOOL, &["promtool"])?))
    }

    /// Where it answers.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a query gives now.
    ///
    /// # Errors
    /// If it does not answer, or the query is wrong; the error has the query and what Prometheus says.
    pub async fn query(&self, query: &str) -> io::Result<Vec<Sample>> {
        let data = self.get("query", &[("query", query)]).await?;
        let result = data["result"].clone();
        match data["resultType"].as_str() {
            Some("scalar") => Ok(vec![Sample { labels: BTreeMap::new(), value: number(&result[1])? }]),
            _ => result.as_array().into_iter().flatten().map(sample).collect(),
        }
    }

    /// Asks an endpoint of its API below `/api/v1/` and gives the data of the answer.
    ///
    /// # Errors
    /// As for [`Prometheus::query`].
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> io::Result<Value> {
        let url = format!("http://{}/api/v1/{path}", self.addr);
        let url = reqwest::Url::parse_with_params(&url, query).map_err(io::Error::other)?;
        let answer = self.client.get(url).send().await.map_err(io::Error::other)?;
        let answer: Answer = answer.json().await.map_err(io::Error::other)?;
        match answer.data {
            Some(data) if answer.status == "success" => Ok(data),
            _ => Err(io::Error::other(format!("{query:?}: {}", answer.error.unwrap_or(answer.status)))),
        }
    }
}

fn sample(series: &Value) -> io::Result<Sample> {
    let labels = series["metric"].as_object().into_iter().flatten();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    Ok(Sample { labels: labels.collect(), value: number(&series["value"][1])? })
}

/// Numbers travel as text, since JSON knows no infinity.
fn number(value: &Value) -> io::Result<f64> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|error| io::Error::other(format!("{text:?} is no number: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_series_of_an_answer_is_read() {
        let series = json!({"metric": {"__name__": "up", "job": "poolscope"}, "value": [1.5, "NaN"]});
        let read = sample(&series).unwrap();
        assert_eq!((read.label("job"), read.label("none")), ("poolscope", ""));
        assert!(read.value.is_nan());
        assert!(sample(&json!({"metric": {}, "value": [1.5, "x"]})).is_err());
    }
}
