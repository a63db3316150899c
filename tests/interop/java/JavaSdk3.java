import org.fisco.bcos.sdk.jni.common.Response;
import org.fisco.bcos.sdk.v3.BcosSDK;
import org.fisco.bcos.sdk.v3.amop.Amop;
import org.fisco.bcos.sdk.v3.client.Client;

/** java-sdk 3.x publishes and subscribes: commands with tabs on standard input, events on standard output. */
public class JavaSdk3 {
    private static final int TIMEOUT_MS = 30000;

    private final BcosSDK sdk;
    private final Amop amop;

    private JavaSdk3(String config) {
        sdk = BcosSDK.build(config);
        amop = sdk.getAmop();
    }

    public static void main(String[] args) throws Exception {
        Lines.serve(() -> new JavaSdk3(args[0])::run);
    }

    private void run(String[] words) throws Exception {
        switch (words[0]) {
            case "subscribe":
                subscribe(words[1], words[2]);
                break;
            case "unicast":
                amop.sendAmopMsg(words[1], Lines.make(words[2]), TIMEOUT_MS, JavaSdk3::answered);
                break;
            case "multicast":
                amop.broadcastAmopMsg(words[1], Lines.make(words[2]));
                break;
            case "client":
                Client client = sdk.getClient(words[1]);
                Lines.event("client")
                        .with("text", client.getGroup())
                        .with("code", client.getBlockNumber().getBlockNumber())
                        .print();
                break;
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    /** Answers with the given payload, with the received one if it is "echo", or not at all if it is "silence". */
    private void subscribe(String topic, String answer) {
        amop.subscribeTopic(
                topic,
                (endpoint, seq, data) -> {
                    Lines.event("received").with("seq", seq).payload(data).print();
                    if (answer.equals("silence") || seq.isEmpty()) return;
                    byte[] reply = answer.equals("echo") ? data : Lines.make(answer);
                    amop.sendResponse(endpoint, seq, reply);
                });
    }

    private static void answered(Response response) {
        Lines.event("answered")
                .with("code", response.getErrorCode())
                .with("error", response.getErrorMessage())
                .payload(response.getData())
                .print();
    }
}
