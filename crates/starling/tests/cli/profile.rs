//! `starling profile`: a command does what it does without it, and where its time went is told.

use serde_json::Value;

use crate::scene::Scene;

#[test]
fn a_command_s_functions_are_found() {
    let scene = Scene::new();
    // Runs over 50,000 quotes: the engine's own functions must be among those hit.
    let command = ["bench", "engine", "--small", "--category", "engine/quotes/50000 with orders", "--executions", "20"];
    let said = scene.run(&[&["profile", "--hz", "997", "--out", "p", "--"][..], &command].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let summary: Value = serde_json::from_slice(&scene.read("p/profile.json")).unwrap();
    let folded = String::from_utf8(scene.read("p/profile.folded")).unwrap();
    let counted: u64 = folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(counted > 0 && summary["samples"] == counted, "{summary}");
    // With line tables a function goes by its own name, without them by its whole path.
    assert!(folded.contains("on_quote") && folded.contains("starling_engine"), "{folded}");
    let picture = String::from_utf8(scene.read("p/profile.svg")).unwrap();
    assert!(picture.contains("<svg") && picture.contains("on_quote"), "a flame graph names functions");
}

#[test]
fn a_wrong_command_is_told_and_leaves_nothing() {
    let scene = Scene::new();
    for (words, told) in [(["frobnicate"], "unrecognized subcommand"), (["profile"], "a profile of a profile")] {
        let said = scene.run(&[&["profile", "--"][..], &words].concat());
        assert!(said.code == 2 && said.stderr.contains(told), "{}", said.stderr);
    }
    assert_eq!(scene.files(), Vec::<String>::new());
}
