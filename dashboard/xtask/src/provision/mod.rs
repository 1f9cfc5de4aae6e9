//! Gets what a command needs and the machine lacks, or says in one sentence how to get it.

mod apt;
pub(crate) mod browser;
pub(crate) mod go;
pub(crate) mod jaeger;
pub(crate) mod nginx;
pub(crate) mod otelcol;
pub(crate) mod peers;
pub(crate) mod prometheus;
pub(crate) mod valgrind;
pub(crate) mod wasm;
