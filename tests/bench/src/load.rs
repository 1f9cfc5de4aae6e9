//! The work: requests, a fixed number of them at a time.

use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use tokio::runtime;

use crate::client::Cost;
use crate::clock::Started;

/// A client that does one request and reads the answer to its end.
pub(crate) trait Target: Clone + Send + 'static {
    /// One request.
    fn request(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Does so many requests.
pub(crate) type Round = Box<dyn Fn(usize) -> Pin<Box<dyn Future<Output = Result<()>>>>>;

/// Rounds over one target, with so many tasks that each do one request after the other.
pub(crate) fn rounds<T: Target>(target: T, concurrency: usize) -> Round {
    Box::new(move |requests| {
        let target = target.clone();
        Box::pin(async move {
            let tasks: Vec<_> = (0..concurrency)
                .map(|task| {
                    let share = requests / concurrency + usize::from(task < requests % concurrency);
                    tokio::spawn(one_after_the_other(target.clone(), share))
                })
                .collect();
            for task in tasks {
                task.await.context("a task of the client has panicked")??;
            }
            Ok(())
        })
    })
}

/// Does so many requests, half of them on a second thread.
pub(crate) type SharedRound = Box<dyn Fn(usize) -> Result<Cost>>;

/// Rounds of two threads, each with a clone of the target.
pub(crate) fn shared_rounds<T: Target>(target: T) -> SharedRound {
    Box::new(move |requests| {
        let (ours, theirs, turns) = (target.clone(), target.clone(), AtomicU32::new(0));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                meet(&turns, 1);
                alone(theirs, requests / 2)
            });
            meet(&turns, 0);
            let started = Started::now();
            alone(ours, requests - requests / 2)?;
            other.join().map_err(|_| anyhow!("a thread of the client has panicked"))??;
            Ok(Cost { wall: started.wall(), cpu: started.cpu() })
        })
    })
}

/// Exchanges of two threads before they begin.
const EXCHANGES: u32 = 200;

/// Returns when two threads have run at the same time for a moment. One that has just begun may have to share the
/// processor of the other for longer than a round takes.
fn meet(turns: &AtomicU32, own: u32) {
    for turn in (0..EXCHANGES).map(|exchange| 2 * exchange + own) {
        while turns.load(Acquire) != turn {
            spin_loop();
        }
        turns.store(turn + 1, Release);
    }
}

fn alone(target: impl Target, requests: usize) -> Result<()> {
    runtime::Builder::new_current_thread()
        .enable_time()
        .build()?
        .block_on(one_after_the_other(target, requests))
}

async fn one_after_the_other(mut target: impl Target, requests: usize) -> Result<()> {
    for _ in 0..requests {
        target.request().await?;
    }
    Ok(())
}
