//! Peers that we did not write: OpenTelemetry's SDKs of other languages send to the dashboard, and programs with
//! OpenTelemetry's own messages read what Poolscope exports.
//!
//! Each language has one small program beside this file that does both.

mod receive;
mod send;

use std::io;
use std::path::PathBuf;
use std::process::Command;

use poolscope::otlp::Protocol;
use poolscope_tests::stack::{Program, file};

use receive::what_is_read_is_what_was_meant;
use send::{DELTA, EXPONENTIAL, GZIP, all_are_understood};

/// A language that a peer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    Node,
    Go,
}

impl Language {
    /// Its name in the names of services.
    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Go => "go",
        }
    }

    /// The command that its program is begun with.
    fn command(self) -> io::Result<Command> {
        let named = |variable: &str| {
            std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| {
                let what = format!("no {variable}; `cargo xtask test --suite stack` sets it");
                io::Error::new(io::ErrorKind::NotFound, what)
            })
        };
        match self {
            Self::Python => {
                let mut python = Command::new(named("PEER_PYTHON_BIN")?);
                python.arg(file("tests/stack/peers/python/peer.py"));
                Ok(python)
            }
            Self::Node => {
                let mut node = Command::new(Program::find("NODE_BIN", &["node"])?);
                // The folder has the packages beside a copy of the program, where Node looks for them.
                node.arg(named("PEER_NODE_DIR")?.join("peer.js"));
                Ok(node)
            }
            Self::Go => Ok(Command::new(named("PEER_GO_BIN")?)),
        }
    }
}

mod python {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Python with the packages of a peer; `cargo xtask test --suite stack` gets them"]
    async fn pools_of_its_sdk_are_pools() {
        let runs: [(&str, &[_]); 2] = [("grpc", &[GZIP]), ("http/protobuf", &[DELTA, EXPONENTIAL])];
        all_are_understood(Language::Python, &runs).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Python with the packages of a peer; `cargo xtask test --suite stack` gets them"]
    async fn it_reads_what_we_export() {
        what_is_read_is_what_was_meant(Language::Python, Protocol::Grpc, true).await;
        what_is_read_is_what_was_meant(Language::Python, Protocol::HttpProtobuf, false).await;
    }
}

mod node {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Node with the packages of a peer; `cargo xtask test --suite stack` gets them"]
    async fn pools_of_its_sdk_are_pools() {
        let runs: [(&str, &[_]); 3] =
            [("grpc", &[]), ("http/json", &[EXPONENTIAL]), ("http/protobuf", &[DELTA, GZIP])];
        all_are_understood(Language::Node, &runs).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Node with the packages of a peer; `cargo xtask test --suite stack` gets them"]
    async fn it_reads_what_we_export() {
        what_is_read_is_what_was_meant(Language::Node, Protocol::Grpc, false).await;
        what_is_read_is_what_was_meant(Language::Node, Protocol::HttpProtobuf, true).await;
    }
}

mod go {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs a peer that Go builds; `cargo xtask test --suite stack` builds it"]
    async fn pools_of_its_sdk_are_pools() {
        let runs: [(&str, &[_]); 2] = [("grpc", &[EXPONENTIAL]), ("http/protobuf", &[DELTA, GZIP])];
        all_are_understood(Language::Go, &runs).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs a peer that Go builds; `cargo xtask test --suite stack` builds it"]
    async fn it_reads_what_we_export() {
        what_is_read_is_what_was_meant(Language::Go, Protocol::Grpc, true).await;
        what_is_read_is_what_was_meant(Language::Go, Protocol::HttpProtobuf, true).await;
    }
}
