//! One connection to one endpoint: the state that other tasks share with the driver of its stream.
//!
//! The structure is that of quinn: one driver task owns the stream; other tasks change the state
//! behind a mutex and wake the driver. An outgoing message passes through no channel and no other
//! task.

mod driver;
mod exchange;

use std::{
    collections::BTreeSet,
    fmt,
    mem::{Discriminant, discriminant},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use amop_proto::{
    TopicName,
    channel::{FrameDecoder, HEADER_LEN, PrivateName, Seq, result_code},
    client::{
        ClientConfig, ClientSession, CloseReason, MAX_CUT_OFFS, RequestOutcome, SessionEvent,
        SessionNotice,
    },
    log::{LogLimits, LogThrottle, OneLine},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    ReplyError, VerificationFailure,
    receive::{Disposition, Incoming, RefusedUnicast, ReplyPath, Subscriptions},
    send::{Again, AttemptFailure, Confirmed, Pipelined},
};
use driver::Driver;
use exchange::PublishContext;

/// Bytes of published messages that may wait to be written. A longer message is queued once no
/// other message waits.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// The settings of a connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) session: ClientConfig,
    /// The length of the longest frame that may be written, in bytes.
    pub(crate) max_frame: usize,
    /// The length of the longest frame that is read, in bytes.
    pub(crate) max_incoming: usize,
}

/// What the node said about itself.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Its compatibility version, if it answered the handshake.
    pub(crate) node_version: Option<String>,
}

/// A handle to a connection. Cloning is cheap; dropping does not close the connection.
#[derive(Clone)]
pub(crate) struct Connection(Arc<ConnectionInner>);

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ConnectionInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.endpoint).finish()
    }
}

struct ConnectionInner {
    /// Its number among all connections of the client.
    id: u64,
    endpoint: Arc<str>,
    /// The length of the longest frame that may be sent; lower if the node has told a lower limit.
    max_frame: AtomicUsize,
    /// Whether the node is an overlay node.
    overlay: AtomicBool,
    /// The length of the longest frame that a node at this endpoint has taken, on this connection
    /// or an earlier one.
    longest_taken: Arc<AtomicUsize>,
    max_in_flight: usize,
    state: Mutex<ConnectionState>,
    /// One permit per request that waits for its answer. Closed with the session.
    in_flight: Semaphore,
    /// One permit per byte of [`SEND_BUFFER`]. Closed with the session.
    room: Semaphore,
    /// Set once the session has ended.
    lost: watch::Sender<Option<CloseReason>>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

/// The receiver of a message's outcome.
enum Token {
    /// A caller that waits for this message.
    Exchange(oneshot::Sender<RequestOutcome>),
    /// A publisher that does not wait.
    Pipelined(Pipelined),
}

struct ConnectionState {
    session: ClientSession<Token>,
    subscriptions: Arc<Subscriptions>,
    driver: Option<Waker>,
    /// When the first pipeline message was queued since the driver last looked.
    batch: Option<Instant>,
    /// Permits of `room` that the session's queued bytes hold.
    charged: usize,
    hello: Option<oneshot::Sender<Hello>>,
    /// Callers that wait for a change of the topic set, with its version.
    settling: Vec<(u64, oneshot::Sender<()>)>,
    /// Topics of the settled set that the node has no room for.
    refused: BTreeSet<TopicName>,
    /// The same for the set that is about to be settled.
    refusing: Vec<TopicName>,
    closed: Option<CloseReason>,
    /// A message that a subscription has no room for. Nothing is read while it waits here.
    held: Option<Incoming>,
    /// Log lines about what the node sends, by kind and by whether they are warnings.
    log: LogThrottle<(Discriminant<SessionNotice>, bool), ()>,
    /// Refusals of unicasts that other connections brought. They are sent after this state is
    /// unlocked.
    elsewhere: Vec<RefusedUnicast>,
}

impl Connection {
    /// Starts the driver of `stream`. The receiver gets the node's hello; it gets nothing if the
    /// session closes first.
    pub(crate) fn start<S>(
        stream: S,
        id: u64,
        endpoint: Arc<str>,
        settings: &ConnectionSettings,
        seed: [u8; 32],
        subscriptions: Arc<Subscriptions>,
        longest_taken: Arc<AtomicUsize>,
    ) -> (Self, oneshot::Receiver<Hello>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = ClientConfig {
            max_frame: settings.max_frame,
            longest_taken: longest_taken.load(Ordering::Relaxed),
            ..settings.session.clone()
        };
        let in_flight = config.max_in_flight;
        let (hello, heard) = oneshot::channel();
        let connection = Self(Arc::new(ConnectionInner {
            id,
            endpoint,
            max_frame: AtomicUsize::new(settings.max_frame),
            overlay: AtomicBool::new(false),
            longest_taken,
            max_in_flight: in_flight,
            state: Mutex::new(ConnectionState {
                session: ClientSession::new(config, seed, Instant::now().into_std()),
                subscriptions,
                driver: None,
                batch: None,
                charged: 0,
                hello: Some(hello),
                settling: Vec::new(),
                refused: BTreeSet::new(),
                refusing: Vec::new(),
                closed: None,
                held: None,
                log: LogThrottle::new(LogLimits::default()),
                elsewhere: Vec::new(),
            }),
            in_flight: Semaphore::new(in_flight),
            room: Semaphore::new(SEND_BUFFER),
            lost: watch::Sender::new(None),
            driver: Mutex::new(None),
        }));
        let decoder = FrameDecoder::new(settings.max_incoming);
        let driver = tokio::spawn(Driver::new(stream, decoder, connection.clone()));
        *connection.driver_handle() = Some(driver);
        (connection, heard)
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Returns whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.in_flight.is_closed()
    }

    /// Returns the number of messages that wait for their answers.
    pub(crate) fn load(&self) -> usize {
        self.0.max_in_flight
            - self
                .0
                .in_flight
                .available_permits()
                .min(self.0.max_in_flight)
    }

    /// Returns whether the node is an overlay node; other nodes are FISCO nodes.
    pub(crate) fn is_overlay(&self) -> bool {
        self.0.overlay.load(Ordering::Relaxed)
    }

    /// Returns the length of the longest frame that may be sent, in bytes.
    pub(crate) fn max_frame(&self) -> usize {
        self.0.max_frame.load(Ordering::Relaxed)
    }

    pub(crate) fn protocol_version(&self) -> u32 {
        self.lock().session.version().number()
    }

    /// Returns why the session has ended; `None` if it has not.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.0.close_reason()
    }

    /// Returns the way back to the node, for messages that it brings.
    fn reply_path(&self) -> Arc<dyn ReplyPath> {
        Arc::<ConnectionInner>::clone(&self.0)
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock()
    }

    fn driver_handle(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<R>(&self, action: impl FnOnce(&mut ConnectionState) -> R) -> R {
        self.0.update(action)
    }

    // ---- closing ----

    /// Starts a clean close. The driver writes the queued frames and ends.
    pub(crate) fn close(&self) {
        self.update(|state| {
            state.session.close();
            state.drain_events(self, Instant::now().into_std());
        });
    }

    /// As [`close`](Self::close), because a certificate has expired at `at`, in seconds since 1970.
    /// `own`: it is this client's certificate, and not the node's.
    pub(crate) fn expire(&self, own: bool, at: i64) {
        self.update(|state| {
            state.session.expire(own, at);
            state.drain_events(self, Instant::now().into_std());
        });
    }

    /// Waits until the session has ended. The driver may still be shutting down the stream.
    pub(crate) async fn lost(&self) -> CloseReason {
        let mut lost = self.0.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            // This cannot fail, because `self` owns the sender.
            Err(_) => CloseReason::Local,
        }
    }

    /// Waits until the driver task has ended.
    pub(crate) async fn join(&self) {
        let driver = self.driver_handle().take();
        if let Some(driver) = driver
            && let Err(error) = driver.await
            && error.is_panic()
        {
            tracing::error!(endpoint = %self.0.endpoint, "the connection's driver panicked");
        }
    }

    // ---- subscribing ----

    /// Brings the session's topic set in line with the subscriptions, for these topics and in one
    /// change. Returns a value to wait with until the node confirms the change.
    pub(crate) fn sync_topics(&self, topics: &[TopicName]) -> Settling {
        self.update(|state| {
            // The subscriptions are asked while the state is locked, so that two tasks that
            // subscribe and unsubscribe at the same time cannot leave a set that contradicts the
            // subscriptions.
            let versions = topics.iter().map(|topic| {
                if state.subscriptions.wants(topic) {
                    state.session.subscribe(topic)
                } else {
                    state.session.unsubscribe(topic)
                }
            });
            let version = versions.max().unwrap_or_default();
            if state.closed.is_some() || version <= state.session.settled() {
                return Settling(None);
            }
            let (sender, receiver) = oneshot::channel();
            // Entries whose callers are gone would pile up while a node does not confirm.
            state.settling.retain(|(_, waiter)| !waiter.is_closed());
            state.settling.push((version, sender));
            Settling(Some(receiver))
        })
    }

    /// Returns whether the node has no room for a topic of the last settled set.
    pub(crate) fn refuses(&self, topic: &TopicName) -> bool {
        self.lock().refused.contains(topic)
    }

    /// Waits for a change of the topic set. `Ok(false)` if the deadline passes first.
    pub(crate) async fn settled(
        &self,
        settling: Settling,
        deadline: Instant,
    ) -> Result<bool, CloseReason> {
        if let Some(receiver) = settling.0 {
            match tokio::time::timeout_at(deadline, receiver).await {
                Err(_) => return Ok(false),
                Ok(Ok(())) => return Ok(true),
                Ok(Err(_)) => {}
            }
        }
        self.close_reason().map_or(Ok(true), Err)
    }
}

impl ConnectionInner {
    fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and then wakes the driver.
    fn update<R>(&self, action: impl FnOnce(&mut ConnectionState) -> R) -> R {
        let mut state = self.lock();
        let result = action(&mut state);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }
}

impl ReplyPath for ConnectionInner {
    fn id(&self) -> u64 {
        self.id
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn close_reason(&self) -> Option<CloseReason> {
        self.lock().closed.clone()
    }

    fn check_len(&self, topic: &TopicName, payload: &[u8]) -> Result<(), ReplyError> {
        let max = self.max_frame.load(Ordering::Relaxed);
        let len = wire_len(topic, payload);
        if len > max {
            return Err(ReplyError::TooLarge {
                topic: topic.to_string(),
                len,
                max,
            });
        }
        Ok(())
    }

    fn respond(&self, seq: Seq, topic: &TopicName, result: i32, payload: &[u8]) -> bool {
        self.update(|state| state.session.respond(seq, topic, result, payload))
    }

    fn wake(&self) {
        self.update(|_| ());
    }
}

/// A change of the topic set that the node has not confirmed yet; `None` if it has.
#[derive(Debug)]
pub(crate) struct Settling(Option<oneshot::Receiver<()>>);

fn wire_len(topic: &TopicName, payload: &[u8]) -> usize {
    HEADER_LEN + 1 + topic.as_bytes().len() + payload.len()
}

impl ConnectionState {
    /// Handles all events of the session. `connection` is the connection that this state belongs
    /// to.
    fn drain_events(&mut self, connection: &Connection, now: std::time::Instant) {
        let endpoint = &connection.0.endpoint;
        let mut confirmed = Confirmed::default();
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Ready {
                    version,
                    node_version,
                    overlay,
                } => {
                    let max = self.session.max_frame();
                    connection.0.max_frame.store(max, Ordering::Relaxed);
                    connection.0.overlay.store(overlay, Ordering::Relaxed);
                    let number = version.number();
                    tracing::debug!(%endpoint, version = number, ?node_version, overlay, "connected");
                    if let Some(hello) = self.hello.take() {
                        // This fails if the caller stopped connecting.
                        let _ = hello.send(Hello { node_version });
                    }
                }
                SessionEvent::TopicsRefused { topics } => {
                    self.refusing = topics;
                }
                SessionEvent::TopicsSettled { version } => {
                    self.refused(endpoint);
                    for (_, waiter) in self.settling.extract_if(.., |(v, _)| *v <= version) {
                        let _ = waiter.send(());
                    }
                }
                SessionEvent::Finished { token, outcome } => match (token, outcome) {
                    (Token::Exchange(sender), outcome) => {
                        let _ = sender.send(outcome);
                    }
                    (Token::Pipelined(message), RequestOutcome::Answered(_)) => {
                        confirmed.add(message)
                    }
                    (Token::Pipelined(message), outcome) => {
                        connection.0.in_flight.add_permits(1);
                        self.pipelined_failed(connection, message, outcome);
                    }
                },
                SessionEvent::Push(push) => {
                    let within = self.session.answer_within();
                    let incoming = Incoming::new(push, connection.reply_path(), now, within);
                    self.deliver(connection, incoming, false, now);
                }
                SessionEvent::Challenged {
                    seq,
                    route,
                    challenge,
                } => match self.subscriptions.private().sign(&route, &challenge) {
                    Some(signature) => {
                        let shown = OneLine::new(&route);
                        tracing::debug!(%endpoint, route = %shown, "signed a publisher's challenge");
                        self.session
                            .respond(seq, &route, result_code::SUCCESS, &signature);
                    }
                    None => {
                        self.session
                            .respond(seq, &route, result_code::NO_SESSION, b"");
                    }
                },
                SessionEvent::Signed {
                    challenge,
                    signature,
                } => {
                    if self
                        .subscriptions
                        .private()
                        .judge(&*connection.0, &challenge, &signature)
                    {
                        self.session.verified(&challenge.request);
                        // After the result is queued, so that messages sent now come after it.
                        self.subscriptions.private().told_verified();
                    }
                }
                SessionEvent::Notice(SessionNotice::Unproven { request, outcome }) => {
                    let failure = VerificationFailure::of(&outcome);
                    self.subscriptions
                        .private()
                        .unverified(&*connection.0, &request, failure);
                }
                SessionEvent::Notice(SessionNotice::NotGranted(request)) => {
                    let failure = VerificationFailure::NotGranted;
                    self.subscriptions
                        .private()
                        .unverified(&*connection.0, &request, failure);
                }
                SessionEvent::Notice(notice) => self.note(endpoint, now, &notice),
                SessionEvent::Closed(reason) => self.closed(connection, reason),
            }
        }
        let freed = confirmed.finish();
        if freed > 0 {
            connection.0.in_flight.add_permits(freed);
        }
    }

    /// Records which topics of a settled set the node has no room for, and reports them if the list
    /// has changed.
    fn refused(&mut self, endpoint: &str) {
        let refused: BTreeSet<_> = std::mem::take(&mut self.refusing).into_iter().collect();
        if refused == self.refused {
            return;
        }
        self.refused = refused;
        let mut topics = self.refused.iter().map(PrivateName::shown);
        let (count, first) = (topics.len(), topics.next());
        if let Some(first) = first {
            let first = OneLine::new(first);
            tracing::warn!(endpoint, count, %first, "the node has no room for all topics");
        }
        let topics = self
            .refused
            .iter()
            .map(|topic| PrivateName::shown(topic).to_owned());
        self.subscriptions.report(crate::Event::TopicsRefused {
            endpoint: endpoint.to_owned(),
            topics: topics.collect(),
        });
    }

    /// Tells a pipeline that a message was not taken, or that it is not known whether it was.
    fn pipelined_failed(
        &self,
        connection: &Connection,
        mut message: Pipelined,
        outcome: RequestOutcome,
    ) {
        let again = match outcome {
            RequestOutcome::Disconnected => Again::Anywhere,
            // It may have been too long for the node: it is tried once more.
            RequestOutcome::CutOff { .. } if message.cut_offs + 1 < MAX_CUT_OFFS => {
                message.cut_offs += 1;
                Again::Anywhere
            }
            RequestOutcome::NoSubscriber | RequestOutcome::Unanswered => Again::Elsewhere,
            outcome => {
                let pipeline = &message.pipeline;
                let context = PublishContext {
                    connection,
                    topic: pipeline.topic(),
                    timeout: pipeline.timeout(),
                };
                // This locks the state only for the outcomes that are handled above.
                if let Err(AttemptFailure::Final(error) | AttemptFailure::Retry(_, error)) =
                    context.result(outcome)
                {
                    pipeline.failed((message.copy, message.payload.len()), error);
                }
                return;
            }
        };
        message.lost(again);
    }

    /// Delivers a message to the subscriptions. `connection` is the connection that this state
    /// belongs to.
    fn deliver(
        &mut self,
        connection: &Connection,
        incoming: Incoming,
        held: bool,
        now: std::time::Instant,
    ) {
        let delivered = self.subscriptions.deliver(incoming, held, now);
        match delivered.disposition {
            Disposition::Settled => {}
            Disposition::Answer {
                seq,
                topic,
                result,
                payload,
            } => {
                self.session.respond(seq, &topic, result, &payload);
            }
            Disposition::Blocked(incoming) => self.held = Some(incoming),
        }
        for mut refused in delivered.refused {
            let ways = refused.ways.len();
            refused.ways.retain(|way| way.id() != connection.id());
            if refused.ways.len() < ways {
                let (seq, topic) = (refused.seq, &refused.topic);
                self.session
                    .respond(seq, topic, result_code::NO_SESSION, b"");
            }
            if !refused.ways.is_empty() {
                self.elsewhere.push(refused);
            }
        }
    }

    /// Logs a notice about the node; if there are too many of its kind, it is only counted.
    fn note(&mut self, endpoint: &str, now: std::time::Instant, notice: &SessionNotice) {
        let (warning, text) = match describe(notice) {
            Some(described) => described,
            // Handled before.
            None => return,
        };
        let kind = (discriminant(notice), warning);
        if let Some(summary) = self.log.summary(now, &kind) {
            log(endpoint, warning, &summary);
        }
        if let Some(line) = self.log.line(now, kind, (), text) {
            log(endpoint, warning, &line);
        }
    }

    /// Logs the summaries of counted notices that are due.
    fn tell_held_back(&mut self, endpoint: &str, now: std::time::Instant) {
        for ((_, warning), summary) in self.log.summaries(now) {
            log(endpoint, warning, &summary);
        }
    }

    fn closed(&mut self, connection: &Connection, reason: CloseReason) {
        let taken = self.session.longest_taken();
        connection
            .0
            .longest_taken
            .fetch_max(taken, Ordering::Relaxed);
        self.closed = Some(reason.clone());
        self.hello = None;
        self.held = None;
        self.settling.clear();
        connection.0.in_flight.close();
        connection.0.room.close();
        self.subscriptions.connection_lost(&connection.reply_path());
        connection.0.lost.send_replace(Some(reason.clone()));
        // Last, so that a panic in the log leaves no caller waiting.
        for ((_, warning), summary) in self.log.finish(Instant::now().into_std()) {
            log(&connection.0.endpoint, warning, &summary);
        }
        if reason == CloseReason::Local {
            tracing::debug!(endpoint = %connection.0.endpoint, "closing");
        } else {
            tracing::warn!(endpoint = %connection.0.endpoint, %reason, "connection lost");
        }
    }
}

fn log(endpoint: &str, warning: bool, text: &dyn fmt::Display) {
    if warning {
        tracing::warn!(endpoint, "{text}");
    } else {
        tracing::debug!(endpoint, "{text}");
    }
}

/// Returns whether a notice is a warning, and its text.
fn describe(notice: &SessionNotice) -> Option<(bool, String)> {
    let text = match notice {
        SessionNotice::NoHandshakeAnswer => {
            "no answer to the version handshake, continuing with protocol version 1".to_owned()
        }
        SessionNotice::UnsolicitedResponse(seq) => {
            return Some((
                false,
                format!("ignored an answer that no request waits for, seq={seq}"),
            ));
        }
        SessionNotice::NotSubscribed { kind, topic } => {
            let topic = String::from_utf8_lossy(topic);
            let text =
                format!("refused a message without a subscription, kind={kind:?} topic={topic:?}");
            return Some((false, text));
        }
        SessionNotice::Ignored(kind) => {
            return Some((false, format!("ignored a frame, kind={}", kind.0)));
        }
        SessionNotice::BadVerifyRequest(error) => {
            format!("ignored a request to verify a subscriber: {error}")
        }
        SessionNotice::BadChallenge { route, len } => {
            format!("refused to sign data that is not a challenge, route={route} len={len}")
        }
        SessionNotice::TooManyChallenges(request) => {
            let (topic, node) = (&request.topic, request.node);
            format!(
                "too many subscribers are being verified, the node has to ask again, topic={topic} \
                 node={node}"
            )
        }
        // Handled before.
        SessionNotice::Unproven { .. } | SessionNotice::NotGranted(_) => return None,
    };
    Some((true, text))
}
