//! Real servers, outside truth and the demo service: what the end-to-end tests are made of.

pub mod client;
pub mod dashboard;
pub mod deaf;
pub mod demo;
pub mod echo;
pub mod kernel;
pub mod limits;
pub mod nginx;
pub mod proxy;
pub mod resolver;
pub mod sampler;
pub mod spans;
pub mod stack;
pub mod tls;
pub mod upstream;
pub mod wait;

/// The examples of the README, so that they compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
