//! A PostgreSQL server of a test's own, whose databases differ in whom they admit: with TLS, certificates of
//! clients, and names that the test chooses.
//!
//! Needs PostgreSQL's programs on the machine. The server refuses to run as root, so root runs it as the
//! user `postgres`. Whatever goes wrong here ends the test.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::certificates::Signed;

/// Who may do everything in it.
pub const USER: &str = "soma";
/// The database that admits everybody.
pub const OPEN: &str = "open";
/// The one that admits everybody with TLS.
pub const ENCRYPTED: &str = "encrypted";
/// The one that admits whoever shows a certificate with the user's name.
pub const CERTIFIED: &str = "certified";

const ADMISSION: &str = "host open all 127.0.0.1/32 trust\n\
                         hostssl encrypted all 127.0.0.1/32 trust\n\
                         hostssl certified all 127.0.0.1/32 cert\n";
const READY: &str = "database system is ready to accept connections";

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
}

impl Postgres {
    /// Starts one in a folder: with TLS under this certificate, for clients that the second file's authority
    /// signs, or without TLS.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(folder: &Path, tls: Option<(&Signed, &Path)>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
        let data = folder.join("postgres");
        let owner = Owner::of(folder);
        owner.enter(folder, &data);
        let binaries = binaries();
        let mut init = owner.command(&binaries.join("initdb"));
        init.args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]).arg(&data);
        run(&mut init, "");
        fs::write(data.join("pg_hba.conf"), ADMISSION).expect("the folder can be written");
        configure(&data, port, tls);
        owner.give(&data);
        let mut single = owner.command(&binaries.join("postgres"));
        let databases = [OPEN, ENCRYPTED, CERTIFIED].map(|name| format!("CREATE DATABASE {name};\n")).concat();
        run(single.args(["--single", "-D"]).arg(&data).arg("postgres"), &databases);
        let mut server = owner.command(&binaries.join("postgres"));
        server.arg("-D").arg(&data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = server.spawn().expect("PostgreSQL starts");
        Self { child, port }.ready()
    }

    /// Waits until it takes connections, and reads on what it says so that it never waits.
    fn ready(mut self) -> Self {
        let mut said = BufReader::new(self.child.stderr.take().expect("standard error is piped"));
        let mut lines = String::new();
        while !lines.contains(READY) {
            let read = said.read_line(&mut lines).expect("it says something");
            assert!(read > 0, "PostgreSQL ended: {lines}");
        }
        let rest = move || drop(said.read_to_end(&mut Vec::new()));
        std::thread::Builder::new().name("postgres says".into()).spawn(rest).expect("a thread");
        self
    }

    /// The address of one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The same under the name of a host that it need not have.
    #[must_use]
    pub fn url_as(&self, host: &str, database: &str) -> String {
        format!("postgres://{USER}@{host}:{}/{database}?hostaddr=127.0.0.1", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own way to end at once and take its children along.
        drop(Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

fn configure(data: &Path, port: u16, tls: Option<(&Signed, &Path)>) {
    let mut settings = format!("listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n");
    settings.push_str("fsync = off\nlog_min_messages = warning\n");
    if let Some((signed, authority)) = tls {
        settings.push_str("ssl = on\nssl_ca_file = 'clients.pem'\n");
        for (from, to) in
            [(&*signed.certificate, "server.crt"), (&*signed.key, "server.key"), (authority, "clients.pem")]
        {
            let to = data.join(to);
            fs::copy(from, &to).expect("a file is copied");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("permissions");
        }
    }
    let mut file = OpenOptions::new().append(true).open(data.join("postgresql.conf")).expect("initdb made it");
    file.write_all(settings.as_bytes()).expect("the settings are written");
}

/// Who runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// Whoever runs the test.
    Us,
    /// The user `postgres`, because we are root.
    Postgres,
}

impl Owner {
    fn of(folder: &Path) -> Self {
        let uid = fs::metadata(folder).expect("the folder is there").uid();
        if uid == 0 { Self::Postgres } else { Self::Us }
    }

    /// Makes the folder of the data, in one that its owner can enter.
    fn enter(self, folder: &Path, data: &Path) {
        fs::create_dir(data).expect("the folder can be written");
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).expect("permissions");
        if self == Self::Postgres {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("permissions");
            self.give(data);
        }
    }

    fn give(self, data: &Path) {
        if self == Self::Postgres {
            run(Command::new("chown").args(["-R", "postgres:"]).arg(data), "");
        }
    }

    fn command(self, program: &Path) -> Command {
        match self {
            Self::Us => Command::new(program),
            Self::Postgres => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups", "--"]).arg(program);
                command
            }
        }
    }
}

/// The folder of PostgreSQL's programs: of the newest version that a package put there, or as it says itself.
fn binaries() -> PathBuf {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = packaged.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    folders.max().unwrap_or_else(|| {
        let told = Command::new("pg_config").arg("--bindir").output().expect("PostgreSQL is installed");
        PathBuf::from(String::from_utf8_lossy(&told.stdout).trim())
    })
}

fn run(command: &mut Command, input: &str) {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the program is there");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    stdin.write_all(input.as_bytes()).expect("it reads what it is given");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
