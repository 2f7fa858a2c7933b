//! The table of one load: a line for every side.

use crate::load::{Load, Sample};
use crate::side::Side;

/// Prints a load's table: `rounds` hold a sample for every side.
pub(crate) fn print(load: Load, sides: &[&Side], rounds: &[Vec<Sample>]) {
    let (title, what) = match load {
        Load::Calls(open) => (
            format!("unary calls of 100 bytes, {open} in flight"),
            "calls",
        ),
        Load::Stream => ("messages of 100 bytes on one stream".to_owned(), "messages"),
    };
    let rivals = sides.iter().filter(|side| side.streams.is_none());
    let rivals: Vec<_> = rivals
        .filter(|_| load != Load::Stream)
        .map(|side| &*side.name)
        .collect();
    println!("\n{title}");
    print!(
        "{:<20} {:>24} {:>9} {:>9} {:>10}",
        "",
        format!("{what}/s"),
        "p50 µs",
        "p99 µs",
        "per CPU s"
    );
    rivals
        .iter()
        .for_each(|name| print!(" {:>10}", format!("/ {name}")));
    println!();
    for (place, side) in sides.iter().enumerate() {
        let all =
            |figure: &dyn Fn(&[Sample]) -> f64| spread(rounds.iter().map(|round| figure(round)));
        let rate = all(&|round| round[place].count as f64 / round[place].elapsed.as_secs_f64());
        print!(
            "{:<20} {:>24}",
            side.name,
            format!("{:.0} [{:.0}, {:.0}]", rate.median, rate.least, rate.most)
        );
        for quantile in [0.5, 0.99] {
            let of = |sample: &Sample| sample.latency.value_at_quantile(quantile) as f64 / 1e3;
            let own = all(&|round| of(&round[place])).median;
            let added = all(&|round| of(&round[place]) - of(&round[0])).median;
            match (load, place) {
                (Load::Stream, _) => print!(" {:>9}", ""),
                (Load::Calls(_), 0) => print!(" {own:>9.0}"),
                (Load::Calls(_), _) => print!(" {added:>+9.0}"),
            }
        }
        if side.processor().is_some() {
            let own = all(&|round| efficiency(&round[place])).median;
            print!(" {own:>10.0}");
            for name in &rivals {
                let other = sides.iter().position(|side| side.name == *name).unwrap();
                // Within a round, because the machine changes from one to the next.
                let ratio = all(&|round| efficiency(&round[place]) / efficiency(&round[other]));
                print!(" {:>10.2}", ratio.median);
            }
        }
        println!();
    }
}

/// What a second of the proxy's processor time carries.
fn efficiency(sample: &Sample) -> f64 {
    let processor = sample.processor.unwrap_or_default().as_secs_f64();
    sample.count as f64 / processor
}

struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

fn spread(figures: impl Iterator<Item = f64>) -> Spread {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    Spread {
        least: figures[0],
        median: figures[figures.len() / 2],
        most: figures[figures.len() - 1],
    }
}
