import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.Random;
import java.util.concurrent.Callable;

/** Code that both programs share: payloads from commands, and events as lines of JSON. */
class Lines {
    /** The events; other output of the SDKs is redirected. */
    private static final PrintStream OUT = System.out;

    static {
        System.setOut(System.err);
    }

    /** One of the programs: it carries out commands. */
    interface Program {
        void run(String[] words) throws Exception;
    }

    /** Starts a program, which carries out the commands it reads: one per line, with tabs between words. */
    static void serve(Callable<Program> start) throws IOException {
        Program program;
        try {
            program = start.call();
        } catch (Throwable e) {
            event("failed").with("error", e).print();
            e.printStackTrace();
            System.exit(1);
            return;
        }
        event("connected").with("version", System.getProperty("java.version")).print();
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            try {
                program.run(words);
                event("did").with("text", words[0]).print();
            } catch (Throwable e) {
                event("failed").with("text", words[0]).with("error", e).print();
                e.printStackTrace();
            }
        }
        System.exit(0);
    }

    private final StringBuilder line = new StringBuilder("{");

    static Lines event(String kind) {
        return new Lines().with("event", kind);
    }

    Lines with(String key, Object value) {
        if (value == null) return this;
        if (line.length() > 1) line.append(',');
        quote(key);
        line.append(':');
        if (value instanceof Number) line.append(value);
        else quote(value.toString());
        return this;
    }

    Lines payload(byte[] bytes) {
        if (bytes == null) return this;
        with("bytes", bytes.length).with("sha256", sha256(bytes));
        return with("text", text(bytes));
    }

    void print() {
        synchronized (OUT) {
            OUT.println(line.append('}'));
            OUT.flush();
        }
    }

    /** A payload: text:..., or size:N for N bytes that are always the same. */
    static byte[] make(String spec) {
        if (spec.startsWith("text:")) return spec.substring(5).getBytes(StandardCharsets.UTF_8);
        if (spec.startsWith("size:")) {
            byte[] bytes = new byte[Integer.parseInt(spec.substring(5))];
            new Random(bytes.length).nextBytes(bytes);
            return bytes;
        }
        throw new IllegalArgumentException(spec);
    }

    private static String sha256(byte[] bytes) {
        try {
            StringBuilder hex = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(bytes)) {
                hex.append(String.format("%02x", b));
            }
            return hex.toString();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns a text if the payload is short. */
    private static String text(byte[] bytes) {
        if (bytes.length > 200) return null;
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            return null;
        }
    }

    private void quote(String text) {
        line.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') line.append('\\').append(c);
            else if (c < ' ') line.append(String.format("\\u%04x", (int) c));
            else line.append(c);
        }
        line.append('"');
    }
}
