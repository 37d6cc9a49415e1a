//! A folder of its own for each test, and the binary run in it: what it says names no absolute path.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A run of one instrument that holds one share; `[DATA]` is where tests say what its data is.
const CONFIG: &str = r#"name = "trial"

[[venues]]
id = "SIM"

[[accounts]]
venue = "SIM"
kind = "margin"
balances = { USD = "100000" }

[[instruments]]
id = "AAA.SIM"
template = "equity"
quote = "USD"

[[data]]
instrument = "AAA.SIM"
[DATA]

[[strategies]]
id = "hold"
kind = "buy_and_hold"
bars = "1d last [SOURCE]"
size = { fixed = 1 }
weights = [{ instrument = "AAA.SIM" }]
"#;

/// Daily bars without fault, from Monday, 2024-01-01.
pub(crate) const BARS: [&str; 5] = [
    "2024-01-01,10,11,9,10.5,100",
    "2024-01-02,10.5,11,10,10.7,120",
    "2024-01-03,10.7,12,10.6,11.9,90",
    "2024-01-04,11.9,12,11,11.2,80",
    "2024-01-05,11.2,11.5,11,11.4,70",
];
pub(crate) const BARS_HEADER: &str = "date,open,high,low,close,volume";

/// A configuration over `bars.csv`.
pub(crate) fn config_of_bars() -> String {
    let data = "path = \"bars.csv\"\nkind = \"bars\"\nseries = \"1d last external\"";
    CONFIG.replace("[DATA]", data).replace("[SOURCE]", "external")
}

/// A configuration over quotes, with more lines in its [[data]] table.
pub(crate) fn config_of_quotes(path: &str, more: &str) -> String {
    CONFIG.replace("[DATA]", &format!("path = \"{path}\"\nkind = \"quotes\"\n{more}")).replace("[SOURCE]", "internal")
}

pub(crate) struct Scene {
    folder: TempDir,
}

/// What the binary said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Said {
    /// The object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?}, stderr {:?}", self.stdout, self.stderr))
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With `run.toml` over `bars.csv` of these rows.
    pub(crate) fn of_bars(header: &str, rows: &[&str]) -> Self {
        let scene = Self::new();
        scene.write("run.toml", config_of_bars());
        scene.bars(header, rows);
        scene
    }

    pub(crate) fn bars(&self, header: &str, rows: &[&str]) {
        let lines: Vec<&str> = std::iter::once(header).chain(rows.iter().copied()).collect();
        self.write("bars.csv", lines.join("\n") + "\n");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    /// Every file, by its path within the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(root, &path, found);
                } else {
                    found.push(path.strip_prefix(root).unwrap().display().to_string());
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), self.folder.path(), &mut found);
        found.sort();
        found
    }
}

/// Cases with what was said, for a snapshot.
#[derive(Default)]
pub(crate) struct Catalogue(String);

impl Catalogue {
    /// Runs `arguments` in the scene; what goes wrong is told on stderr alone, and leaves no half-written file.
    #[track_caller]
    pub(crate) fn case(&mut self, about: &str, scene: &Scene, arguments: &[&str]) {
        let said = scene.run(arguments);
        if said.code != 0 {
            assert_eq!(said.stdout, "", "{about}: a failure prints nothing on stdout");
        }
        let left: Vec<String> = scene.files().into_iter().filter(|f| f.contains("part")).collect();
        assert!(left.is_empty(), "{about}: half-written {left:?}");
        write!(self.0, "# {about}\n$ starling {}\n{}[exit {}]\n\n", arguments.join(" "), said.stderr, said.code)
            .unwrap();
    }

    pub(crate) fn text(&self) -> &str {
        self.0.trim_end()
    }
}
