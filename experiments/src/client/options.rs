//! Who asks, how often, of whom, and how a client writes.

use super::route::Route;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tidemark_proto::span::Span;

/// The plan's table `client`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientOptions {
    /// How many clients there are: c1 …
    #[schemars(range(min = 1, max = 1_000))]
    pub count: u16,
    /// Arrivals per second, all clients together, whatever becomes of them (open loop). Only a script has none.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10_000_000))]
    pub rate: f64,
    /// How they are spaced.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Whom a client asks.
    #[serde(default)]
    pub route: Route,
    /// When a client that is `sticky` moves to another node: after a time like `"2s"` in the mean, exponentially, or after
    /// so many requests, like `10`; absent: never. Who moves may miss what it wrote or saw before, even where replicas
    /// that it stays with would never have gone back: the session guarantees of Terry et al. (PDIS 1994).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_after: Option<MoveAfter>,
    /// When a client gives up. Too short: what would have succeeded is unknown; too long: late figures.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// How often an operation that failed is sent again, under the same operation id.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub retries: u32,
    /// How long a client waits before it sends again.
    #[serde(default = "default_backoff")]
    pub backoff: Span,
    /// Which context a write carries.
    #[serde(default)]
    pub update: Update,
    /// What a client does about siblings that a read shows.
    #[serde(default)]
    pub reconcile: Reconcile,
}

/// When a client moves to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "after a number of requests, like 10, or a time, like \"2s\""
)]
pub enum MoveAfter {
    /// After so many requests.
    Requests(u32),
    /// After this time in the mean, exponentially.
    Time(Span),
}

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// Exponentially.
    #[default]
    Poisson,
    /// Evenly.
    Fixed,
}

/// Which context a write carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// That of a read just before it: read, reconcile, write back.
    #[default]
    ReadFirst,
    /// That of the last operation that this client had answered on the key.
    Remembered,
    /// None.
    Blind,
}

/// What a client does about siblings that a read shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reconcile {
    /// Its next write supersedes them.
    #[default]
    OnUpdate,
    /// It writes one version back at once.
    WriteBack,
}

impl ClientOptions {
    /// Stretches every time, and thins the arrivals by as much.
    pub fn stretch(&mut self, scale: f64) {
        self.rate /= scale;
        for span in [&mut self.timeout, &mut self.backoff] {
            *span = span.scaled(scale);
        }
        if let Some(MoveAfter::Time(span)) = &mut self.move_after {
            *span = span.scaled(scale);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_none(rate: &f64) -> bool {
    *rate == 0.0
}

fn default_timeout() -> Span {
    Span(Duration::from_secs(1))
}

fn default_backoff() -> Span {
    Span(Duration::from_millis(20))
}
