//! Porcupine's histories of a store of strings: EDN maps with a key, `{:process 0, :type :invoke, :f :append, :key "7", :value "x"}`.
//!
//! Its functions are `get`, `put` and `append`; an object begins as `""`. What is open at the end may have taken effect.
//!
//! Reference: Athalye, Porcupine, `porcupine_test.go` and `test_data/kv/`.

use super::{Format, edn};

pub(super) const FORMAT: Format = Format {
    name: "porcupine-kv",
    about: "maps of Porcupine's key-value tests: {:process 0, :type :invoke, :f :append, :key \"7\", :value \"x\"}",
    model: "kv-append",
    looks_like: |head| {
        let functions = [":f :get", ":f :put", ":f :append"];
        head.contains(":process")
            && head.contains(":key")
            && functions.iter().any(|function| head.contains(function))
    },
    read: edn::read,
};
