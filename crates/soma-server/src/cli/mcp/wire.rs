//! JSON-RPC on standard input and output, one message in each line.
//!
//! A line that is no message is answered with an error, and the next one is read: by -32700 when it is not
//! JSON, by -32600 when it is JSON and no request, by -32602 when it is a request of a known method whose
//! parameters have another shape. The answer names the id of the line, or null where none can be read.
//! Notifications and answers are never answered.
//!
//! One task writes, so a line is written whole even if whoever sent it stops waiting.

use std::io;

use rmcp::RoleServer;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Bytes of one line; a longer one is refused.
const LINE_BYTES_MAX: usize = 32 << 20;
/// Answers that wait to be written.
const WAITING: usize = 64;

const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const INVALID_PARAMS: i32 = -32_602;

/// Both ends of the conversation.
pub(super) struct Wire<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// Whether the rest of a line that is too long is passed over.
    skipping: bool,
    /// What is to be answered before the next line is read.
    refusal: Option<Vec<u8>>,
    output: Option<Output>,
}

struct Output {
    lines: mpsc::Sender<Vec<u8>>,
    writing: JoinHandle<()>,
}

/// What a line is.
enum Line {
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    Refused(Vec<u8>),
    /// Nothing that anybody waits for.
    Ignored,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    /// Reads from one stream and writes to the other.
    pub(super) fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (lines, waiting) = mpsc::channel(WAITING);
        #[expect(clippy::disallowed_methods, reason = "ends with the transport, which waits for it")]
        let writing = tokio::spawn(write(output, waiting));
        let output = Some(Output { lines, writing });
        Self { input: BufReader::new(input), line: Vec::new(), skipping: false, refusal: None, output }
    }

    /// Reads one line; `None` at the end of the input, `Some(false)` for one that is too long. Cancelling it
    /// loses nothing.
    async fn read_line(&mut self) -> Option<bool> {
        loop {
            let available = match self.input.fill_buf().await {
                Ok(available) => available,
                Err(error) => {
                    tracing::warn!("standard input cannot be read: {error}");
                    return None;
                }
            };
            if available.is_empty() {
                let rest = !self.line.is_empty() && !self.skipping;
                return rest.then_some(true);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            let fits = self.line.len() + taken <= LINE_BYTES_MAX;
            if fits && !self.skipping {
                self.line.extend_from_slice(&available[..taken]);
            }
            self.input.consume(taken);
            if !fits && !self.skipping {
                self.line.clear();
                self.skipping = end.is_none();
                return Some(false);
            }
            if end.is_some() && !std::mem::take(&mut self.skipping) {
                return Some(true);
            }
        }
    }

    /// Hands the refusal to the writer, if there is one; `false` when nobody reads any more. Cancelling it
    /// loses nothing.
    async fn refuse(&mut self) -> bool {
        let Some(output) = self.output.as_ref() else { return false };
        if self.refusal.is_none() {
            return true;
        }
        let Ok(room) = output.lines.reserve().await else { return false };
        if let Some(line) = self.refusal.take() {
            room.send(line);
        }
        true
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for Wire<R> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let lines = self.output.as_ref().map(|output| output.lines.clone());
        async move {
            let line = serde_json::to_vec(&item)?;
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            lines.ok_or_else(gone)?.send(line).await.map_err(|_| gone())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if !self.refuse().await {
                return None;
            }
            let line = match self.read_line().await? {
                true => read(&std::mem::take(&mut self.line)),
                false => Line::Refused(error(INVALID_REQUEST, "the message is too long", &Value::Null)),
            };
            match line {
                Line::Message(message) => return Some(*message),
                Line::Refused(answer) => self.refusal = Some(answer),
                Line::Ignored => {}
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        let Some(Output { lines, writing }) = self.output.take() else { return Ok(()) };
        drop(lines);
        writing.await.map_err(io::Error::other)
    }
}

/// Writes lines until nobody sends any more, or nobody reads them.
async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        let written = async {
            output.write_all(&line).await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!("standard output is closed: {error}");
            return;
        }
    }
}

fn read(line: &[u8]) -> Line {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Line::Ignored;
    }
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(e) => return Line::Refused(error(PARSE_ERROR, &format!("the line is not JSON: {e}"), &Value::Null)),
    };
    let named = value.get("id");
    let id = named.filter(|id| id.is_string() || id.is_i64() || id.is_u64()).cloned();
    let is_answer = value.get("method").is_none() && (value.get("result").is_some() || value.get("error").is_some());
    if is_answer && id.is_none() {
        return Line::Ignored;
    }
    let is_ours = value["jsonrpc"] == "2.0" && (is_answer || value["method"].is_string());
    if !is_ours || (named.is_some() && id.is_none()) {
        let what = "the line is JSON and no message of JSON-RPC 2.0";
        return Line::Refused(error(INVALID_REQUEST, what, &id.unwrap_or_default()));
    }
    match (serde_json::from_value(value), id) {
        (Ok(message), _) => Line::Message(Box::new(message)),
        (Err(e), Some(id)) if !is_answer => {
            Line::Refused(error(INVALID_PARAMS, &format!("the parameters are not those of the method: {e}"), &id))
        }
        (Err(_), _) => Line::Ignored,
    }
}

fn error(code: i32, message: &str, id: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string().into_bytes()
}
