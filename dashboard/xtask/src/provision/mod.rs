//! Gets what a command needs and the machine lacks, or says in one sentence how to get it.

mod apt;
pub(crate) mod axe;
pub(crate) mod browser;
pub(crate) mod go;
pub(crate) mod grafana;
pub(crate) mod jaeger;
mod made;
pub(crate) mod make;
pub(crate) mod network;
pub(crate) mod nginx;
pub(crate) mod otelcol;
pub(crate) mod peers;
pub(crate) mod prometheus;
pub(crate) mod valgrind;
pub(crate) mod wasm;

use std::path::PathBuf;

/// What tests find a program or a folder by.
pub(crate) type Variable = (&'static str, PathBuf);
