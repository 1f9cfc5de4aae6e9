//! The guard, in each kind of runtime that it may be dropped in.

use std::convert::Infallible;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use http::{Request, Response};
use poolscope::Scope;
use poolscope::shutdown::{Error, ShutdownGuard, ShutdownLayer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tower::{Layer, Service, service_fn};

use super::{SECOND, client, request};

fn threads(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// A request that ends by itself in a while; true if it may.
fn ends(scope: &Scope) -> impl Future<Output = bool> + Send + use<> {
    let call = client(scope, SECOND / 10).call(request());
    async { call.await.is_ok() }
}

/// A request that never ends and needs no timer; true if it is cut.
fn hangs(scope: &Scope) -> impl Future<Output = bool> + Send + use<> {
    let hangs = service_fn(|_: Request<()>| pending::<Result<Response<String>, Infallible>>());
    let call = ShutdownLayer::new(scope).layer(hangs).call(request());
    async { matches!(call.await, Err(Error::Cut(_))) }
}

/// Drops a guard that would wait for a minute; true if it did not.
fn drop_now(scope: &Scope) -> bool {
    let began = Instant::now();
    drop(ShutdownGuard::new(scope, 60 * SECOND));
    began.elapsed() < 30 * SECOND
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_where_there_are_several_threads() {
    let scope = Scope::new();
    let call = tokio::spawn(ends(&scope));
    assert!(drop_now(&scope));
    assert!(call.await.unwrap());
}

#[test]
fn it_waits_in_a_task_while_other_workers_go_on() {
    let runtime = threads(2);
    let scope = Scope::new();
    let call = runtime.spawn(ends(&scope));
    let dropped = runtime.spawn(async move { drop_now(&scope) });
    assert!(runtime.block_on(dropped).unwrap());
    assert!(runtime.block_on(call).unwrap());
}

/// The worker that its timer has woken was the one that waited for timers and sockets; another one has to do it now.
#[test]
fn it_leaves_timers_and_sockets_to_other_workers() {
    let runtime = threads(2);
    let scope = Scope::new();
    let call = runtime.spawn(ends(&scope));
    let dropped = runtime.spawn(async move {
        tokio::time::sleep(SECOND / 20).await;
        let began = Instant::now();
        drop(ShutdownGuard::new(&scope, 5 * SECOND));
        began.elapsed() < 4 * SECOND
    });
    assert!(runtime.block_on(dropped).unwrap());
    assert!(runtime.block_on(call).unwrap());
}

#[test]
fn it_cuts_at_once_on_the_only_worker() {
    let runtime = threads(1);
    let scope = Scope::new();
    let call = runtime.spawn(hangs(&scope));
    let dropped = runtime.spawn(async move { drop_now(&scope) });
    assert!(runtime.block_on(dropped).unwrap());
    assert!(runtime.block_on(call).unwrap());
}

#[tokio::test]
async fn it_cuts_at_once_where_there_is_one_thread() {
    let scope = Scope::new();
    let call = tokio::spawn(hangs(&scope));
    tokio::task::yield_now().await;
    assert!(drop_now(&scope));
    assert!(call.await.unwrap());
}

#[test]
fn it_ends_outside_of_a_runtime() {
    let scope = Scope::new();
    assert!(drop_now(&scope));
    let refused =
        Builder::new_current_thread().build().unwrap().block_on(client(&scope, SECOND).call(request()));
    assert!(matches!(refused, Err(Error::Refused(_))));
}

/// Requests on workers go on, those of the set can't.
#[test]
fn it_waits_in_a_local_set_of_several_threads() {
    let scope = Scope::new();
    LocalSet::new().block_on(&threads(2), async {
        let elsewhere = tokio::spawn(ends(&scope));
        let here: JoinHandle<bool> = spawn_local(hangs(&scope));
        tokio::task::yield_now().await;
        drop(ShutdownGuard::new(&scope, SECOND));
        assert!(elsewhere.await.unwrap());
        assert!(here.await.unwrap());
    });
}

/// A panic of its own would end the process here.
#[test]
fn it_does_not_panic_while_another_panic_unwinds() {
    let scope = Scope::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        LocalSet::new().block_on(&threads(2), async {
            let _guard = ShutdownGuard::new(&scope, SECOND);
            panic!("the program fails");
        });
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"the program fails"));
    let refused =
        Builder::new_current_thread().build().unwrap().block_on(client(&scope, SECOND).call(request()));
    assert!(matches!(refused, Err(Error::Refused(_))));
}

#[test]
fn it_needs_no_time_of_the_runtime_that_it_is_in() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let scope = Scope::new();
    let call = runtime.spawn(hangs(&scope));
    runtime.block_on(async { drop(ShutdownGuard::new(&scope, SECOND / 10)) });
    assert!(runtime.block_on(call).unwrap());
}
