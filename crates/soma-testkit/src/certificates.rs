//! Certificates for tests of TLS, made on the spot by the `openssl` command.
//!
//! An authority and what it signs live in a folder of the test. Keys are on the curve P-256, which is made
//! in an instant; certificates hold for two days, unless they are made to hold at another time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    name: String,
}

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Authority {
    /// A new one, with files of that name in the folder.
    ///
    /// # Panics
    /// When `openssl` is missing or refuses.
    #[must_use]
    pub fn new(folder: &Path, name: &str) -> Self {
        let authority = Self { folder: folder.to_owned(), name: name.to_owned() };
        let (key, certificate) = (authority.file("key"), authority.certificate());
        let mut command = new_key(&key, &format!("/CN={name}"));
        command.args(["-x509", "-days", "2", "-out"]).arg(certificate);
        run(command.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]));
        authority
    }

    /// The PEM file that clients trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.file("pem")
    }

    /// A certificate for a server of these names, each as `DNS:…` or `IP:…`.
    ///
    /// # Panics
    /// When `openssl` is missing or refuses.
    #[must_use]
    pub fn sign(&self, name: &str, names: &[&str]) -> Signed {
        let file = |kind: &str| self.folder.join(format!("{name}.{kind}"));
        let (request, extensions) = (file("csr"), file("ext"));
        let signed = Signed { certificate: file("pem"), key: file("key") };
        run(new_key(&signed.key, &format!("/CN={name}")).arg("-out").arg(&request));
        let text = format!("subjectAltName={}\nextendedKeyUsage=serverAuth,clientAuth\n", names.join(","));
        fs::write(&extensions, text).expect("the folder can be written");
        let mut command = Command::new("openssl");
        command.args(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"]).arg(&request);
        command.arg("-CA").arg(self.certificate()).arg("-CAkey").arg(self.file("key"));
        run(command.arg("-extfile").arg(&extensions).arg("-out").arg(&signed.certificate));
        signed
    }

    /// As [`Self::sign`], for a time that has passed: January of 2020.
    ///
    /// # Panics
    /// When `openssl` is missing or refuses.
    #[must_use]
    pub fn sign_expired(&self, name: &str, names: &[&str]) -> Signed {
        self.sign_for(name, names, ("20200101000000Z", "20200131000000Z"))
    }

    /// As [`Self::sign`], for a time to come: from 2090 on.
    ///
    /// # Panics
    /// When `openssl` is missing or refuses.
    #[must_use]
    pub fn sign_early(&self, name: &str, names: &[&str]) -> Signed {
        self.sign_for(name, names, ("20900101000000Z", "20900131000000Z"))
    }

    /// Only `openssl ca` signs for any time, and it keeps books.
    fn sign_for(&self, name: &str, names: &[&str], (from, until): (&str, &str)) -> Signed {
        let signed = self.sign(name, names);
        let file = |kind: &str| self.folder.join(format!("{name}.{kind}"));
        let (books, settings) = (file("books"), file("cnf"));
        fs::write(&books, "").expect("the folder can be written");
        let text = format!(
            "[ca]\ndefault_ca=ours\n[ours]\ndatabase={}\nnew_certs_dir={}\nrand_serial=yes\ndefault_md=sha256\n\
             policy=any\n[any]\ncommonName=supplied\n",
            books.display(),
            self.folder.display()
        );
        fs::write(&settings, text).expect("the folder can be written");
        let mut command = Command::new("openssl");
        command.args(["ca", "-batch", "-notext", "-startdate", from, "-enddate", until, "-config"]).arg(&settings);
        command.arg("-cert").arg(self.certificate()).arg("-keyfile").arg(self.file("key"));
        command.arg("-in").arg(file("csr")).arg("-extfile").arg(file("ext"));
        run(command.arg("-out").arg(&signed.certificate));
        signed
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }
}

impl Signed {
    /// The same with its key behind a password, in a file beside it.
    ///
    /// # Panics
    /// When `openssl` is missing or refuses.
    #[must_use]
    pub fn behind(&self, password: &str) -> Self {
        let key = self.key.with_extension("locked");
        let mut command = Command::new("openssl");
        command.args(["pkcs8", "-topk8", "-passout"]).arg(format!("pass:{password}"));
        run(command.arg("-in").arg(&self.key).arg("-out").arg(&key));
        Self { certificate: self.certificate.clone(), key }
    }
}

/// A request with a new key.
fn new_key(key: &Path, subject: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.args(["-subj", subject]).arg("-keyout").arg(key);
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("the openssl command is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
