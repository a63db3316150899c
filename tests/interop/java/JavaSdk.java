import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.fisco.bcos.sdk.BcosSDK;
import org.fisco.bcos.sdk.amop.Amop;
import org.fisco.bcos.sdk.amop.AmopCallback;
import org.fisco.bcos.sdk.amop.AmopMsgOut;
import org.fisco.bcos.sdk.amop.AmopResponse;
import org.fisco.bcos.sdk.amop.AmopResponseCallback;
import org.fisco.bcos.sdk.amop.topic.AmopMsgIn;
import org.fisco.bcos.sdk.amop.topic.TopicType;
import org.fisco.bcos.sdk.client.Client;
import org.fisco.bcos.sdk.client.protocol.response.Peers;
import org.fisco.bcos.sdk.crypto.keystore.KeyTool;
import org.fisco.bcos.sdk.crypto.keystore.P12KeyStore;
import org.fisco.bcos.sdk.crypto.keystore.PEMKeyStore;

/** java-sdk 2.x publishes and subscribes: commands with tabs on standard input, events on standard output. */
public class JavaSdk {
    private final BcosSDK sdk;
    private final Amop amop;

    private JavaSdk(String config) {
        sdk = BcosSDK.build(config);
        amop = sdk.getAmop();
    }

    public static void main(String[] args) throws Exception {
        Lines.serve(() -> new JavaSdk(args[0])::run);
    }

    private void run(String[] words) throws Exception {
        String topic = words[1];
        switch (words[0]) {
            case "subscribe":
                amop.subscribeTopic(topic, callback(words[2]));
                break;
            case "unsubscribe":
                amop.unsubscribeTopic(topic);
                break;
            case "subscribe-private":
                amop.subscribePrivateTopics(topic, key(words[3]), callback(words[2]));
                break;
            case "subscribe-private-hex":
                amop.subscribePrivateTopics(topic, words[3], callback(words[2]));
                break;
            case "grant":
                List<KeyTool> keys = new ArrayList<>();
                for (String file : Arrays.asList(words).subList(2, words.length)) {
                    keys.add(new PEMKeyStore(file));
                }
                amop.publishPrivateTopic(topic, keys);
                break;
            case "unicast":
                unicast(topic, words[2], TopicType.NORMAL_TOPIC);
                break;
            case "unicast-private":
                unicast(topic, words[2], TopicType.PRIVATE_TOPIC);
                break;
            case "multicast":
                amop.broadcastAmopMsg(message(topic, words[2], TopicType.NORMAL_TOPIC));
                break;
            case "multicast-private":
                amop.broadcastAmopMsg(message(topic, words[2], TopicType.PRIVATE_TOPIC));
                break;
            case "query":
                query(topic, words[2]);
                break;
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private static KeyTool key(String file) {
        return file.endsWith(".p12") ? new P12KeyStore(file, "123456") : new PEMKeyStore(file);
    }

    private static AmopMsgOut message(String topic, String payload, TopicType type) {
        AmopMsgOut message = new AmopMsgOut();
        message.setType(type);
        message.setTopic(topic);
        message.setTimeout(30000);
        message.setContent(Lines.make(payload));
        return message;
    }

    private void unicast(String topic, String payload, TopicType type) {
        amop.sendAmopMsg(
                message(topic, payload, type),
                new AmopResponseCallback() {
                    @Override
                    public void onResponse(AmopResponse response) {
                        AmopMsgIn in = response.getAmopMsgIn();
                        Lines.event("answered")
                                .with("code", response.getErrorCode())
                                .with("error", response.getErrorMessage())
                                .payload(in == null ? null : in.getContent())
                                .print();
                    }
                });
    }

    /** Answers with the given payload, or with the received one if it is "echo". */
    private static AmopCallback callback(String answer) {
        return new AmopCallback() {
            @Override
            public byte[] receiveAmopMsg(AmopMsgIn in) {
                Lines.event("received")
                        .with("seq", in.getMessageID())
                        .payload(in.getContent())
                        .print();
                return answer.equals("echo") ? in.getContent() : Lines.make(answer);
            }
        };
    }

    /** The requests of the chain's demos before they publish: a client for group 1, its node, and its peers. */
    private void query(String topic, String endpoint) {
        Client client = sdk.getClient(1);
        Lines.event("groups").with("text", sdk.getGroupManagerService().getGroupList()).print();
        Lines.event("node").with("text", client.getNodeInfo(endpoint).getNodeInfo().getNodeID()).print();
        Peers peers = client.getPeers();
        int subscribers = 0;
        for (Peers.PeerInfo peer : peers.getPeers()) {
            if (peer.getTopic().contains(topic)) subscribers++;
        }
        Lines.event("subscribers").with("bytes", subscribers).print();
    }
}
