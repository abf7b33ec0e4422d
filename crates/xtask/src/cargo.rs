//! Runs cargo and says how long it took.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// A sentence that says what failed and what to do.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// The folder of the workspace: two above this crate, as cargo tells at run time.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it through cargo: `cargo x <verb>`")?;
    let crates = PathBuf::from(manifest);
    let root = crates.parent().and_then(|p| p.parent()).ok_or("xtask lies outside the workspace")?;
    Ok(root.to_path_buf())
}

/// The build folder: the one that this binary was built into.
pub(crate) fn target() -> Result<PathBuf> {
    let exe = std::env::current_exe().map_err(|e| format!("cannot tell where this binary lies: {e}"))?;
    let target = exe.parent().and_then(|p| p.parent()).ok_or("this binary lies outside a build folder")?;
    Ok(target.to_path_buf())
}

/// A cargo command in the workspace's folder.
pub(crate) fn command(args: &[&str]) -> Result<Command> {
    of_our_own(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())), args)
}

/// A script of the workspace, in its folder, building where this binary was built.
pub(crate) fn script(path: &str, args: &[&str]) -> Result<Command> {
    let mut command = of_our_own(Command::new(root()?.join(path)), args)?;
    command.env("CARGO_TARGET_DIR", target()?);
    Ok(command)
}

/// What `cargo run` tells this process about itself is not meant for the cargo that it starts: build
/// scripts look at it, so that one would build again what is there.
fn of_our_own(mut command: Command, args: &[&str]) -> Result<Command> {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(root()?);
    Ok(command)
}

/// Runs a step, printing its name before and its seconds after.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("── {name}");
    let start = Instant::now();
    let outcome = work();
    let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("── {name}: {verdict}, {:.1} s", start.elapsed().as_secs_f64());
    outcome
}

/// Runs a command to its end with this process's own input and output.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command.status().map_err(|e| format!("cannot start {}: {e}", describe(&command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed", describe(&command))) }
}

/// Runs a command to its end and returns what it wrote to its standard output.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output().map_err(|e| format!("cannot start {}: {e}", describe(&command)))?;
    if !output.status.success() {
        return Err(format!("{} failed:\n{}", describe(&command), String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{} wrote something else than text: {e}", describe(&command)))
}

/// Runs a command to its end, echoing every line of both outputs in their order and handing it to `line`.
pub(crate) fn watch(mut command: Command, mut line: impl FnMut(&str)) -> Result<()> {
    let what = describe(&command);
    let refuse = |e: std::io::Error| format!("cannot run {what}: {e}");
    let (reader, writer) = std::io::pipe().map_err(refuse)?;
    command.stdout(writer.try_clone().map_err(refuse)?).stderr(writer);
    let mut child = command.spawn().map_err(refuse)?;
    // The command holds the writing ends; the reader ends when the child has closed them.
    drop(command);
    for text in BufReader::new(reader).split(b'\n') {
        let text = text.map_err(refuse)?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        line(&text);
    }
    let status = child.wait().map_err(refuse)?;
    if status.success() { Ok(()) } else { Err(format!("{what} failed")) }
}

fn describe(command: &Command) -> String {
    let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    format!("`{program} {}`", args.join(" "))
}
