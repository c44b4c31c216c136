//! A real redis-server for one test: on a free port, in a folder of its own, gone when the test ends.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod policies;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, process, thread};

pub(crate) struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    folder: PathBuf,
    child: Option<Child>,
}

impl RedisServer {
    pub(crate) fn start(arguments: &[&str]) -> RedisServer {
        let folder = env::temp_dir().join(format!("sim-adapter-redis-{}-{}", process::id(), free_port()));
        fs::create_dir_all(&folder).expect("a folder for Redis");
        RedisServer::start_in(folder, free_port(), arguments)
    }

    /// For arguments that name files in `folder`. The last `--port` wins, so that TLS can take the port over.
    pub(crate) fn start_in(folder: PathBuf, port: u16, arguments: &[&str]) -> RedisServer {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = RedisServer { port, arguments, folder, child: None };
        server.revive();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// SIGKILL: no farewell to its clients.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("redis-server can be killed");
            child.wait().expect("redis-server ends");
        }
    }

    /// SIGSTOP: its connections stay open, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Starts it on the same port with an empty memory, and returns when it accepts connections.
    pub(crate) fn revive(&mut self) {
        let mut child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(self.port.to_string())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server must be installed: apt-get install redis-server");
        let lines = BufReader::new(child.stdout.take().expect("its log is piped")).lines();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            let mut seen = Vec::new();
            for line in lines.map_while(Result::ok) {
                if line.contains("Ready to accept connections") {
                    let _ = ready.send(Ok(()));
                }
                seen.push(line);
            }
            let _ = ready.send(Err(seen.join("\n")));
        });
        self.child = Some(child);
        match is_ready.recv_timeout(Duration::from_secs(10)) {
            Ok(Ok(())) => {}
            Ok(Err(log)) => panic!("redis-server did not start:\n{log}"),
            Err(_) => panic!("redis-server was not ready in 10 s"),
        }
    }

    /// One command, outside of what is tested.
    pub(crate) fn command(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.uri()).expect("a good address");
        let mut connection = client.get_connection().expect("Redis accepts a connection");
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("redis-server runs").id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("kill is there");
        assert!(status.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A certificate authority (`ca.pem`) and a certificate for 127.0.0.1 (`server.pem`, `server.key`).
pub(crate) fn certificates(folder: &Path) {
    fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\n").expect("a file in the folder");
    let openssl = |line: &str| {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl must be installed: apt-get install openssl");
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=test-authority"));
    openssl(&format!("req {key} -keyout server.key -out server.csr -subj /CN=127.0.0.1"));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile san");
}
