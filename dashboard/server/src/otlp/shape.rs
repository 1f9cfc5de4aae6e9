//! What OTLP messages are made of, as far as decoding allocates for it. Field numbers are those of the protocol.

use Part::{Many, Numbers, One};

/// A message: the fields of it that hold messages or lists.
#[derive(Debug)]
pub(super) struct Shape(&'static [(u64, Part)]);

/// What a field holds.
#[derive(Debug)]
pub(super) enum Part {
    /// A message, stored inside its parent.
    One(&'static Shape),
    /// A list of messages or texts.
    Many(&'static Shape),
    /// A list of numbers, each of which can be one byte long.
    Numbers,
}

impl Shape {
    /// What a field holds; `None` if decoding allocates no more for it than it is long.
    pub(super) fn part(&self, field: u64) -> Option<&'static Part> {
        self.0.iter().find(|(number, _)| *number == field).map(|(_, part)| part)
    }
}

static LEAF: Shape = Shape(&[]);
static ANY_VALUE: Shape = Shape(&[(5, One(&ARRAY)), (6, One(&PAIRS))]);
static ARRAY: Shape = Shape(&[(1, Many(&ANY_VALUE))]);
static PAIRS: Shape = Shape(&[(1, Many(&KEY_VALUE))]);
static KEY_VALUE: Shape = Shape(&[(2, One(&ANY_VALUE))]);
static ENTITY: Shape = Shape(&[(3, Many(&LEAF)), (4, Many(&LEAF))]);
static RESOURCE: Shape = Shape(&[(1, Many(&KEY_VALUE)), (3, Many(&ENTITY))]);
static SCOPE: Shape = Shape(&[(3, Many(&KEY_VALUE))]);

static EXEMPLAR: Shape = Shape(&[(7, Many(&KEY_VALUE))]);
// Points are read where they lie; each becomes one reading, whatever it holds.
static NUMBERS: Shape = Shape(&[(1, Many(&LEAF))]);
static HISTOGRAM: Shape = Shape(&[(1, Many(&LEAF))]);
// But for these, which are decoded.
static BUCKETS: Shape = Shape(&[(2, Numbers)]);
static EXPONENTIAL_POINT: Shape =
    Shape(&[(1, Many(&KEY_VALUE)), (8, One(&BUCKETS)), (9, One(&BUCKETS)), (11, Many(&EXEMPLAR))]);
static EXPONENTIAL: Shape = Shape(&[(1, Many(&EXPONENTIAL_POINT))]);
static METRIC: Shape =
    Shape(&[(5, One(&NUMBERS)), (7, One(&NUMBERS)), (9, One(&HISTOGRAM)), (10, One(&EXPONENTIAL))]);
static SCOPE_METRICS: Shape = Shape(&[(1, One(&SCOPE)), (2, Many(&METRIC))]);
static RESOURCE_METRICS: Shape = Shape(&[(1, One(&RESOURCE)), (2, Many(&SCOPE_METRICS))]);
/// A metrics request.
pub(super) static METRICS: Shape = Shape(&[(1, Many(&RESOURCE_METRICS))]);

static LOG_RECORD: Shape = Shape(&[(5, One(&ANY_VALUE)), (6, Many(&KEY_VALUE))]);
static SCOPE_LOGS: Shape = Shape(&[(1, One(&SCOPE)), (2, Many(&LOG_RECORD))]);
static RESOURCE_LOGS: Shape = Shape(&[(1, One(&RESOURCE)), (2, Many(&SCOPE_LOGS))]);
/// A logs request.
pub(super) static LOGS: Shape = Shape(&[(1, Many(&RESOURCE_LOGS))]);

static SPAN_EVENT: Shape = Shape(&[(3, Many(&KEY_VALUE))]);
static SPAN_LINK: Shape = Shape(&[(4, Many(&KEY_VALUE))]);
static SPAN: Shape = Shape(&[(9, Many(&KEY_VALUE)), (11, Many(&SPAN_EVENT)), (13, Many(&SPAN_LINK))]);
static SCOPE_SPANS: Shape = Shape(&[(1, One(&SCOPE)), (2, Many(&SPAN))]);
static RESOURCE_SPANS: Shape = Shape(&[(1, One(&RESOURCE)), (2, Many(&SCOPE_SPANS))]);
/// A trace request.
pub(super) static TRACES: Shape = Shape(&[(1, Many(&RESOURCE_SPANS))]);
