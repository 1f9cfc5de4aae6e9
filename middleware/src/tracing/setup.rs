//! The set-up of a connection as spans of `tracing`, which begin when it does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanContext, SpanKind};
use poolscope_semconv::value::ConnectPhase;
use poolscope_semconv::{attr, span};

use super::span::{TracingSpan, declare};
use crate::event::PoolName;
use crate::registry::Report;
use crate::trace::{describe_part, describe_pool, fail, peer};

/// The spans of a set-up that goes on; empty where none are made.
#[derive(Debug, Default)]
pub(crate) struct OpenSetup(Mutex<Option<Open>>);

#[derive(Debug)]
struct Open {
    setup: TracingSpan,
    pool: Arc<PoolName>,
    part: Option<Part>,
}

#[derive(Debug)]
struct Part {
    phase: ConnectPhase,
    /// The name that is looked up.
    question: Option<String>,
    span: TracingSpan,
}

impl OpenSetup {
    /// Begins a trace of its own.
    pub(crate) fn begin(pool: &Arc<PoolName>) -> Self {
        use attr::*;
        let setup = declare!(
            span::CONNECTION_SETUP,
            parent: None::<tracing::Id>,
            [
                SERVER_ADDRESS,
                SERVER_PORT,
                URL_SCHEME,
                CLIENT_NAME,
                NETWORK_PEER_ADDRESS,
                NETWORK_PEER_PORT,
                ERROR_TYPE
            ]
        );
        let open = TracingSpan::new(setup).map(|mut setup| {
            let name = format!("{} {}:{}", span::CONNECTION_SETUP, pool.host, pool.port);
            setup.name(&name, &SpanKind::Internal);
            describe_pool(&mut setup, pool);
            Open { setup, pool: Arc::clone(pool), part: None }
        });
        Self(Mutex::new(open))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part begins, and the one before it has ended. A second address that is tried belongs to the same part. `question` is
    /// the name that is looked up.
    pub(crate) fn begin_part(&self, phase: ConnectPhase, question: Option<&str>) {
        let mut open = self.lock();
        let Some(open) = &mut *open else { return };
        match &mut open.part {
            Some(part) if part.phase == phase => {}
            // What makes the transport looks the name up first.
            Some(part) if (part.phase, phase) == (ConnectPhase::Tcp, ConnectPhase::Dns) => {
                part.phase = phase;
                part.question = question.map(str::to_owned);
            }
            _ => {
                open.end_part(None);
                open.part = open.begin_part(phase, question);
            }
        }
    }

    /// A part has come to a good end. After a look-up comes the transport, whatever of it can be seen.
    pub(crate) fn end_part(&self, phase: ConnectPhase) {
        if let Some(open) = &mut *self.lock()
            && open.part.as_ref().is_some_and(|part| part.phase == phase)
        {
            open.end_part(None);
            if phase == ConnectPhase::Dns {
                open.part = open.begin_part(ConnectPhase::Tcp, None);
            }
        }
    }

    /// It has ended; tells its identity in OpenTelemetry, if it has one.
    pub(crate) fn end(&self, report: &Report<'_>) -> Option<SpanContext> {
        let mut open = self.lock().take()?;
        open.end_part(Some(report));
        open.setup.set_attributes(report.peer.into_iter().flat_map(peer));
        fail(&mut open.setup, report.error);
        open.setup.end();
        open.setup.own_context().cloned()
    }
}

impl Open {
    fn begin_part(&self, phase: ConnectPhase, question: Option<&str>) -> Option<Part> {
        use attr::*;
        let span = declare!(
            "connection_setup part",
            parent: self.setup.span(),
            [
                CONNECT_PHASE,
                DNS_QUESTION_NAME,
                SERVER_ADDRESS,
                NETWORK_PEER_ADDRESS,
                NETWORK_PEER_PORT,
                NETWORK_TYPE,
                ERROR_TYPE
            ]
        );
        let span = TracingSpan::new(span)?;
        Some(Part { phase, question: question.map(str::to_owned), span })
    }

    /// What the last part is, and how it ended, is known for sure only from the report.
    fn end_part(&mut self, report: Option<&Report<'_>>) {
        let Some(Part { mut phase, question, mut span }) = self.part.take() else { return };
        let shows = |phase| report.is_some_and(|report| report.phases.iter().any(|one| one.phase == phase));
        if phase == ConnectPhase::Tcp && shows(ConnectPhase::TcpTls) {
            phase = ConnectPhase::TcpTls;
        }
        let peer = report.and_then(|report| report.peer);
        let (name, attributes) = describe_part(phase, &self.pool, question.as_deref(), peer);
        span.name(&name, &SpanKind::Internal);
        span.set_attributes(attributes);
        span.set_attribute(KeyValue::new(attr::CONNECT_PHASE, phase.as_str()));
        fail(&mut span, report.and_then(|report| report.error));
        span.end();
    }
}
