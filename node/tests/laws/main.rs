//! Laws of every entry of every seam: a strategy that joins a list is held to them without another line of test.

#[path = "../harness/mod.rs"]
mod harness;

mod clocks;
mod collecting;
#[cfg(feature = "lsm")]
mod enduring;
mod healing;
mod hearing;
mod lists;
mod placing;
mod resting;

use harness::Shape;

const SHAPE: Shape = Shape {
    nodes: 3,
    gateways: 0,
    n: 3,
    r: 2,
    w: 2,
};
