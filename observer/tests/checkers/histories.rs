//! Short histories, whose verdicts and scores were worked out by hand.

use crate::laws::checked_all;
use crate::script::{Story, stories};
use tidemark_observer::checker::{KeyReport, Model, Unscored, Verdict};

/// What is found of a key, in the words and in the order of what is expected.
fn words(report: &KeyReport, expected: &[String]) -> Vec<String> {
    let number = |index: &usize| (index + 1).to_string();
    let figure =
        |figure: Option<u64>| figure.map_or("none".to_owned(), |figure| figure.to_string());
    let mut words = Vec::new();
    let is_name = |word: &&String| !["none", "impossible"].contains(&word.as_str());
    let names = expected
        .iter()
        .filter(|word| word.starts_with(char::is_alphabetic));
    for word in names.filter(is_name) {
        words.push(word.clone());
        match word.as_str() {
            "valid" if report.linearizable != Verdict::True => {
                words.push(format!("but it is {:?}", report.linearizable));
            }
            "valid" => {}
            "failing" => words.extend(report.failing.as_ref().map(number)),
            "prefix" => words.extend(report.prefix.iter().map(number)),
            "gamma" => words.push(figure(report.gamma)),
            "delta" => words.push(figure(report.delta)),
            "k" => words.push(report.k.map_or("none".to_owned(), |k| k.to_string())),
            "unscored" => match report.unscored {
                Some(Unscored::Impossible(read)) => {
                    words.extend(["impossible".to_owned(), number(&read)]);
                }
                other => words.push(format!("{other:?}")),
            },
            other => panic!("nothing is known of {other:?}"),
        }
    }
    words
}

fn check(text: &str) {
    let stories = stories(text);
    assert!(stories.len() >= 5, "there are only {}", stories.len());
    for Story {
        title,
        model,
        initial,
        recording,
        expected,
    } in stories
    {
        let model = Model::new(&model, initial).expect("it is in the list");
        let report = checked_all(&recording, &model);
        let keys: Vec<&str> = expected.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(
            report.keys.len(),
            keys.len(),
            "{title}: every key is told of"
        );
        for (key, expected) in &expected {
            let found = words(&report.keys[key.as_str()], expected).join(" ");
            assert_eq!(found, expected.join(" "), "{title}, {key}");
        }
    }
}

macro_rules! histories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(include_str!(concat!("../histories/", stringify!($name), ".txt")));
            }
        )*
    };
}

histories! { register cas_register kv_append counter set gamma delta k }
