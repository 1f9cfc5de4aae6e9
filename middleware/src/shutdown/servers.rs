//! The servers of a scope that shuts down.

use crate::Scope;

/// Has all of them accept no more; tells how many connections are there.
pub(super) fn close(scope: &Scope) -> u64 {
    #[cfg(feature = "server")]
    return scope.open_servers().iter().map(|server| server.close()).sum();
    #[cfg(not(feature = "server"))]
    nothing(scope)
}

/// Cuts the connections that are there; tells how many.
pub(super) fn cut(scope: &Scope) -> u64 {
    #[cfg(feature = "server")]
    return scope.open_servers().iter().map(|server| server.cut()).sum();
    #[cfg(not(feature = "server"))]
    nothing(scope)
}

/// Connections that are there.
pub(super) fn present(scope: &Scope) -> u64 {
    #[cfg(feature = "server")]
    return scope.open_servers().iter().map(|server| server.present()).sum();
    #[cfg(not(feature = "server"))]
    nothing(scope)
}

/// Returns when none is there any more.
pub(super) async fn ended(scope: &Scope) {
    #[cfg(feature = "server")]
    for server in scope.open_servers() {
        server.all_ended().await;
    }
    #[cfg(not(feature = "server"))]
    nothing(scope);
}

/// There is no server in this build.
#[cfg(not(feature = "server"))]
fn nothing(_: &Scope) -> u64 {
    0
}
