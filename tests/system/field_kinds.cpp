// SPDX-License-Identifier: BSD-2-Clause
// The scripts of all kinds of clients; see field_kinds.hpp.
#include "field_kinds.hpp"

#include <fmt/core.h>

#include <stdexcept>
#include <string_view>
#include <utility>

namespace field {

namespace {

using Steps = std::vector<Step>;

constexpr double answer_s = 20;  // time limit of an answer
constexpr std::string_view end_of_head = "\r\n\r\n";

Step send(std::string text) { return {Action::send, std::move(text)}; }
Step filler(double min, double max) { return {Action::filler, {}, min, max}; }
Step await(std::string_view text, double limit_s = answer_s) {
    return {Action::await, std::string(text), 0, limit_s};
}
Step pause(double min_s, double max_s) { return {Action::pause, {}, min_s, max_s}; }
Step pause(double s) { return pause(s, s); }
Step every(const Settings& settings) { return pause(settings.every_min_s, settings.every_max_s); }
// Between two requests of a visitor.
Step think(const Settings& settings) {
    return settings.every_max_s > 0 ? every(settings) : Step{Action::think};
}
Step half_close() { return {Action::half_close}; }
Step close() { return {Action::close}; }
Step again(std::size_t to) { return {Action::again, {}, 0, 0, to}; }
Step more(std::size_t to) { return {Action::more, {}, 0, 0, to}; }
Script visitor(Steps steps) { return {.steps = std::move(steps), .long_tailed = true}; }

// The head of a request without the empty line that ends it.
std::string head(const char* method, const Settings& settings) {
    return fmt::format("{} {} HTTP/1.1\r\nHost: field\r\nUser-Agent: field-client\r\n", method,
                       settings.path);
}
std::string get(const Settings& settings, const char* more = "") {
    return head("GET", settings) + more + "\r\n";
}
std::string post(const Settings& settings, std::size_t bytes, const char* more = "") {
    return head("POST", settings) + fmt::format("Content-Length: {}\r\n", bytes) + more + "\r\n";
}

// --- attackers -----------------------------------------------------------------------------------

Script headers(const Settings& settings, unsigned) {
    return {.steps = {send(head("GET", settings)), every(settings), send("X-a: b\r\n"), again(1)},
            .hold_s = settings.hold_s};
}

Script half(const Settings& settings, unsigned) {
    return {.steps = {send(head("GET", settings))}, .hold_s = settings.hold_s};
}

Script half_trickled(const Settings& settings, unsigned) {
    return {.steps = {send(head("GET", settings)), pause(settings.hold_s / 2), send("X")},
            .hold_s = settings.hold_s};
}

Script silent(const Settings& settings, unsigned) { return {.hold_s = settings.hold_s}; }

Script body(const Settings& settings, unsigned) {
    return {.steps = {send(post(settings, 1'000'000)), every(settings),
                      filler(settings.bytes, settings.bytes), again(1)},
            .hold_s = settings.hold_s};
}

Script body_chunked(const Settings& settings, unsigned) {
    return {.steps = {send(head("POST", settings) + "Transfer-Encoding: chunked\r\n\r\n"),
                      every(settings), send("1\r\nx\r\n"), again(1)},
            .hold_s = settings.hold_s};
}

Script body_reset(const Settings& settings, unsigned) {
    Script script = body(settings, 0);
    script.steps.front() = send(post(settings, 1'000'000'000));
    script.resets = true;
    return script;
}

// Small segments and a small buffer, so that the client acknowledges a few bytes at a time.
Script read(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings))},
            .reading = Reading::paced,
            .read_bytes = static_cast<std::size_t>(settings.bytes),
            .read_every_s = settings.every_min_s,
            .receive_buffer = 1,  // the kernel takes its smallest
            .max_segment = 88,
            .hold_s = settings.hold_s};
}

Script read_nothing(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings))},
            .reading = Reading::nothing,
            .receive_buffer = 1,
            .hold_s = settings.hold_s};
}

// Each time a further request comes, which the server does not read before it has answered.
Script read_pipelined(const Settings& settings, unsigned) {
    Script script = read(settings, 0);
    script.steps = {send(get(settings)), every(settings), send(get(settings)), again(1)};
    return script;
}

Script expect(const Settings& settings, unsigned) {
    return {.steps = {send(post(settings, 100'000, "Expect: 100-continue\r\n"))},
            .hold_s = settings.hold_s};
}

Script greeting(const Settings& settings, unsigned) {
    return {.steps = {await("")}, .hold_s = settings.hold_s};
}

Script fast_open(const Settings& settings, unsigned) {
    Script script = half(settings, 0);
    script.fast_open = true;
    return script;
}

// Four phases, each with connections of seven lifetimes, so that all ages of each phase are
// present. Only the slow readers ask for the path of the settings, which is a large file.
Script cells(const Settings& settings, unsigned number) {
    const double hold_s = 1 << (number / 4 % 7);
    Settings small = settings;
    small.path = "/index.html";
    switch (number % 4) {
        case 0:  // request
            return {.steps = {send(head("GET", small))}, .hold_s = hold_s};
        case 1:  // response
            return {.steps = {send(get(settings))},
                    .reading = Reading::nothing,
                    .receive_buffer = 1,
                    .hold_s = hold_s};
        case 2:  // closing: the server closes its side and reads on, because more came than asked
            return {.steps = {send(get(small, "Connection: close\r\n") + "x"), pause(2), send("x"),
                              again(1)},
                    .hold_s = hold_s,
                    .ignores_end = true};
        default:  // waiting: half of the next request comes right after an answer
            return {.steps = {send(get(small)), await(end_of_head), pause(0.02),
                              send(head("GET", small))},
                    .hold_s = hold_s};
    }
}

// --- honest clients over HTTP --------------------------------------------------------------------

Script keep_alive(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings)), await(end_of_head), every(settings), again(0)},
            .hold_s = settings.hold_s};
}

Script poll(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings)), await(end_of_head, 120), pause(0.1, 0.5), again(0)},
            .hold_s = settings.hold_s};
}

// The answer never ends.
Script events(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings)), await(end_of_head)}, .hold_s = settings.hold_s};
}

// The frame is a ping with this number of bytes, masked with zeros.
Script websocket(const Settings& settings, unsigned) {
    const auto size = static_cast<std::size_t>(settings.bytes);
    const std::string ping = std::string("\x89", 1) + static_cast<char>(0x80 | size) +
                             std::string(4, '\0') + std::string(size, 'x');
    return {
        .steps = {send(get(settings,
                           "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                           "13\r\nSec-WebSocket-Key: ZmllbGQtY2xpZW50LTAxMg==\r\n")),
                  await(end_of_head), every(settings), send(ping), again(2)},
        .hold_s = settings.hold_s};
}

// One large body in pieces of a quarter to once the bytes.
Script phone_upload(const Settings& settings, unsigned) {
    return {.steps = {send(post(settings, 1'000'000'000)),
                      filler(settings.bytes / 4, settings.bytes), every(settings), again(1)},
            .hold_s = settings.hold_s};
}

Script upload(const Settings& settings, unsigned) {
    return {.steps = {send(post(settings, 1'000'000'000)), filler(settings.bytes, settings.bytes),
                      every(settings), again(1)},
            .hold_s = settings.hold_s};
}

Script download(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings))},
            .reading = Reading::paced,
            .read_bytes = static_cast<std::size_t>(settings.bytes),
            .read_every_s = settings.every_min_s,
            .receive_buffer = 2048,
            .hold_s = settings.hold_s};
}

// A small answer to a larger request, each time on one connection.
Script post_each(const Settings& settings, unsigned) {
    const auto size = static_cast<std::size_t>(settings.bytes);
    return {.steps = {send(post(settings, size) + std::string(size, 'x')), await(end_of_head),
                      every(settings), again(0)},
            .hold_s = settings.hold_s};
}

// An honest client of Expect: 100-continue sends its body as soon as the server asks for it.
Script expect_visit(const Settings& settings, unsigned) {
    const auto size = static_cast<std::size_t>(settings.bytes);
    return visitor({send(post(settings, size, "Expect: 100-continue\r\n")), await(" 100 "),
                    filler(settings.bytes, settings.bytes), await(end_of_head), think(settings),
                    more(0), close()});
}

Script half_closing(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings)), half_close(), await(end_of_head, 120)},
            .server_ends = true};
}

Script health_silent(const Settings&, unsigned) { return {.steps = {close()}}; }

Script health_get(const Settings& settings, unsigned) {
    return {.steps = {send(get(settings, "Connection: close\r\n")), await(end_of_head, 120)},
            .server_ends = true};
}

// --- honest clients of other protocols -----------------------------------------------------------

std::string mqtt_packet(char type, const std::string& payload) {
    return type + std::string(1, static_cast<char>(payload.size())) + payload;
}
std::string mqtt_text(std::string_view text) {
    return std::string(1, '\0') + static_cast<char>(text.size()) + std::string(text);
}
// MQTT 3.1.1, a clean session, and the longest keep-alive. The server ends the older of two clients
// with the same name, so each kind has its own names.
std::string mqtt_connect(const char* kind, unsigned number) {
    return mqtt_packet('\x10', mqtt_text("MQTT") + std::string("\x04\x02\xff\xff", 4) +
                                   mqtt_text(fmt::format("{}{}", kind, number)));
}
std::string mqtt_publish_packet() { return mqtt_packet('\x30', mqtt_text("field/value") + "21.5"); }

Script mqtt_publish(const Settings& settings, unsigned number) {
    return {.steps = {send(mqtt_connect("publisher", number)), await(""), every(settings),
                      send(mqtt_publish_packet()), again(2)},
            .hold_s = settings.hold_s};
}

Script mqtt_subscribe(const Settings& settings, unsigned number) {
    return {
        .steps = {send(mqtt_connect("subscriber", number)), await(""),
                  send(mqtt_packet('\x82', std::string("\0\1", 2) + mqtt_text("field/other") +
                                               std::string(1, '\0'))),
                  await(""), every(settings), send(std::string("\xc0\0", 2)), await(""), again(4)},
        .hold_s = settings.hold_s};
}

Script mqtt_visit(const Settings& settings, unsigned number) {
    return visitor({send(mqtt_connect("visitor", number)), await(""), think(settings),
                    send(mqtt_packet('\x82', std::string("\0\1", 2) + mqtt_text("field/other") +
                                                 std::string(1, '\0'))),
                    await(""), more(2), send(mqtt_publish_packet()), send(std::string("\xe0\0", 2)),
                    close()});
}

std::string redis_command(std::initializer_list<std::string_view> words) {
    std::string text = fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words)
        text += fmt::format("${}\r\n{}\r\n", word.size(), word);
    return text;
}

// A worker that waits for work, which does not come.
Script redis_blpop(const Settings& settings, unsigned number) {
    const std::string limit = fmt::format("{:.0f}", settings.every_min_s);
    return {.steps = {send(redis_command({"BLPOP", fmt::format("queue{}", number), limit})),
                      await("", 0), again(0)},
            .hold_s = settings.hold_s};
}

Script redis_subscribe(const Settings& settings, unsigned) {
    return {.steps = {send(redis_command({"SUBSCRIBE", "field"})), await("")},
            .hold_s = settings.hold_s};
}

// Each value is written on one connection. The answer is "+OK".
Script redis_set(const Settings& settings, unsigned number) {
    const std::string value(static_cast<std::size_t>(settings.bytes), 'x');
    return {.steps = {send(redis_command({"SET", fmt::format("value{}", number), value})),
                      await("\r\n"), every(settings), again(0)},
            .hold_s = settings.hold_s};
}

Script redis_visit(const Settings& settings, unsigned) {
    return visitor({send(redis_command({"SET", "field", "21.5"})), await("\r\n"),
                    send(redis_command({"GET", "field"})), await("\r\n"), think(settings), more(2),
                    close()});
}

std::string postgres_message(char type, const std::string& payload) {
    const std::size_t size = payload.size() + 4;
    std::string text;
    if (type != 0) text += type;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(size >> shift & 0xff);
    return text + payload;
}
std::string postgres_startup() {
    return postgres_message(0, std::string("\0\3\0\0user\0postgres\0database\0postgres\0\0", 37));
}
std::string postgres_query() { return postgres_message('Q', std::string("SELECT 1\0", 9)); }
const std::string& postgres_ready() {
    static const std::string ready("Z\0\0\0\5I", 6);
    return ready;
}

Script postgres_pool(const Settings& settings, unsigned) {
    return {.steps = {send(postgres_startup()), await(postgres_ready()), every(settings),
                      send(postgres_query()), await(postgres_ready()), again(2)},
            .hold_s = settings.hold_s};
}

Script postgres_visit(const Settings& settings, unsigned) {
    return visitor({send(postgres_startup()), await(postgres_ready()), send(postgres_query()),
                    await(postgres_ready()), think(settings), more(2),
                    send(postgres_message('X', "")), close()});
}

Script imap_idle(const Settings& settings, unsigned) {
    return {.steps = {await("* OK"), send("a LOGIN field field\r\n"), await("a OK"),
                      send("b SELECT INBOX\r\n"), await("b OK"), send("c IDLE\r\n"), await("+ "),
                      every(settings), send("DONE\r\n"), await("c OK"), again(5)},
            .hold_s = settings.hold_s};
}

Script imap_visit(const Settings& settings, unsigned) {
    return visitor({await("* OK"), send("a LOGIN field field\r\n"), await("a OK"),
                    send("b SELECT INBOX\r\n"), await("b OK"), think(settings), more(3),
                    send("c LOGOUT\r\n"), await("c OK"), close()});
}

// A client of SMTP or FTP that says hello and leaves.
Script line_visit(const Settings& settings, unsigned) {
    return visitor({await("220"), send("NOOP\r\n"), await("\r\n"), think(settings), more(1),
                    send("QUIT\r\n"), await("221"), close()});
}

// A client of SSH up to its first key exchange. After it, the connection is as idle as a shell.
Script ssh_visit(const Settings& settings, unsigned) {
    return visitor({await("SSH-2.0"), send("SSH-2.0-field\r\n"), await(""), think(settings),
                    more(3), close()});
}

}  // namespace

const std::vector<Kind>& kinds() {
    static const std::vector<Kind> all = {
        // Attackers.
        {"headers", "half a request's head, then a line of it each time", Role::attacker, 10, 10, 0,
         0, headers},
        {"half", "half a request's head, held and replaced", Role::attacker, 0, 0, 20, 0, half},
        {"half-trickled", "the same, with one more byte in the middle", Role::attacker, 0, 0, 20, 0,
         half_trickled},
        {"silent", "no byte at all", Role::attacker, 0, 0, 0, 0, silent},
        {"body", "a POST, then some bytes of its body each time", Role::attacker, 3, 3, 0, 1, body},
        {"body-chunked", "a chunked POST, then a chunk of one byte each time", Role::attacker, 3, 3,
         0, 0, body_chunked},
        {"body-reset", "a POST of 1 GB, some bytes each time, and a reset at the end",
         Role::attacker, 3, 3, 20, 1, body_reset},
        {"read", "reads some bytes of the answer each time, in segments of 88 bytes",
         Role::attacker, 1, 1, 0, 88, read},
        {"read-nothing", "reads nothing of the answer", Role::attacker, 0, 0, 0, 0, read_nothing},
        {"read-pipelined", "the same as read, with a further request each time", Role::attacker, 1,
         1, 0, 88, read_pipelined},
        {"expect", "a POST with Expect: 100-continue, and no body", Role::attacker, 0, 0, 0, 0,
         expect},
        {"greeting", "no byte after the server's greeting", Role::attacker, 0, 0, 0, 0, greeting},
        {"fast-open", "half a request's head in the SYN", Role::attacker, 0, 0, 0, 0, fast_open},
        {"cells", "four phases with all ages", Role::attacker, 0, 0, 0, 0, cells},
        // Honest clients.
        {"keep-alive", "a request each time on one connection", Role::client, 4, 6, 0, 0,
         keep_alive},
        {"poll", "requests that the server answers late", Role::client, 0, 0, 0, 0, poll},
        {"events", "an answer that never ends", Role::client, 0, 0, 0, 0, events},
        {"websocket", "a WebSocket with a ping each time", Role::client, 30, 60, 0, 4, websocket},
        {"phone-upload", "a long upload in pieces, one each time", Role::client, 12, 15, 0, 65536,
         phone_upload},
        {"upload", "an upload of some bytes each time", Role::client, 1, 1, 0, 600, upload},
        {"download", "a download of some bytes each time", Role::client, 1, 1, 0, 600, download},
        {"post", "a POST of some bytes each time on one connection", Role::client, 4, 6, 0, 300,
         post_each},
        {"expect-visit", "POSTs with Expect: 100-continue, and their bodies", Role::visitor, 0, 0,
         0, 16384, expect_visit},
        {"half-closing", "a request and a FIN, then the answer", Role::client, 0, 0, 0, 0,
         half_closing},
        {"health-silent", "connects and closes", Role::client, 0, 0, 0, 0, health_silent},
        {"health-get", "a request, its answer, and the end", Role::client, 0, 0, 0, 0, health_get},
        {"mqtt-publish", "MQTT: publishes each time, QoS 0", Role::client, 4, 6, 0, 0,
         mqtt_publish},
        {"mqtt-subscribe", "MQTT: a subscriber that gets nothing", Role::client, 30, 60, 0, 0,
         mqtt_subscribe},
        {"mqtt-visit", "MQTT: subscribes, publishes and leaves", Role::visitor, 0, 0, 0, 0,
         mqtt_visit},
        {"redis-blpop", "Redis: waits for work that does not come", Role::client, 0, 0, 0, 0,
         redis_blpop},
        {"redis-subscribe", "Redis: a subscriber that gets nothing", Role::client, 0, 0, 0, 0,
         redis_subscribe},
        {"redis-set", "Redis: writes a value of some bytes each time", Role::client, 4, 6, 0, 200,
         redis_set},
        {"redis-visit", "Redis: SET, then GET each time", Role::visitor, 0, 0, 0, 0, redis_visit},
        {"postgres-pool", "PostgreSQL: a query each time on one connection", Role::client, 20, 60,
         0, 0, postgres_pool},
        {"postgres-visit", "PostgreSQL: queries", Role::visitor, 0, 0, 0, 0, postgres_visit},
        {"imap-idle", "IMAP: IDLE, again each time", Role::client, 60, 120, 0, 0, imap_idle},
        {"imap-visit", "IMAP: logs in, selects the inbox each time and logs out", Role::visitor, 0,
         0, 0, 0, imap_visit},
        {"line-visit", "SMTP or FTP: NOOP and QUIT", Role::visitor, 0, 0, 0, 0, line_visit},
        {"ssh-visit", "SSH: up to the key exchange", Role::visitor, 0, 0, 0, 0, ssh_visit},
    };
    return all;
}

const Kind& find_kind(const std::string& name) {
    for (const Kind& kind : kinds())
        if (name == kind.name) return kind;
    throw std::runtime_error(fmt::format("no kind called {}: see --help", name));
}

Settings with_defaults(Settings settings, const Kind& kind) {
    if (settings.every_min_s < 0) {
        settings.every_min_s = kind.every_min_s;
        settings.every_max_s = kind.every_max_s;
    }
    if (settings.hold_s < 0) settings.hold_s = kind.hold_s;
    if (settings.bytes < 0) settings.bytes = kind.bytes;
    return settings;
}

}  // namespace field
