import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.log4j.BasicConfigurator;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;
import org.fisco.bcos.channel.client.ChannelPushCallback;
import org.fisco.bcos.channel.client.ChannelResponseCallback2;
import org.fisco.bcos.channel.client.Service;
import org.fisco.bcos.channel.dto.ChannelPush;
import org.fisco.bcos.channel.dto.ChannelRequest;
import org.fisco.bcos.channel.dto.ChannelResponse;
import org.fisco.bcos.channel.handler.ChannelConnections;
import org.fisco.bcos.channel.handler.GroupChannelConnectionsConfig;
import org.springframework.core.io.FileSystemResource;

/** web3sdk 2.x publishes and subscribes: commands with tabs on standard input, events on standard output. */
public class Web3sdk {
    private final Service service = new Service();
    private final Set<String> topics = new HashSet<>();
    private final Map<String, String> answers = new ConcurrentHashMap<>();

    private Web3sdk(List<String> endpoints) throws Exception {
        ChannelConnections connections = new ChannelConnections();
        connections.setGroupId(1);
        connections.setConnectionsStr(endpoints);
        GroupChannelConnectionsConfig groups = new GroupChannelConnectionsConfig();
        groups.setAllChannelConnections(new ArrayList<>(Arrays.asList(connections)));
        groups.setCaCert(new FileSystemResource("conf/ca.crt"));
        groups.setSslCert(new FileSystemResource("conf/sdk.crt"));
        groups.setSslKey(new FileSystemResource("conf/sdk.key"));
        service.setGroupId(1);
        service.setAllChannelConnections(groups);
        service.setPushCallback(
                new ChannelPushCallback() {
                    @Override
                    public void onPush(ChannelPush push) {
                        received(push);
                    }
                });
        service.run();
    }

    public static void main(String[] args) throws Exception {
        Lines.serve(
                () -> {
                    BasicConfigurator.configure();
                    Logger.getRootLogger().setLevel(Level.INFO);
                    return new Web3sdk(Arrays.asList(args).subList(1, args.length))::run;
                });
    }

    private void run(String[] words) {
        String topic = words[1];
        switch (words[0]) {
            case "subscribe":
                answers.put(topic, words[2]);
                topics.add(topic);
                service.setTopics(topics);
                service.updateTopicsToNode();
                break;
            case "unsubscribe":
                topics.remove(topic);
                service.setTopics(topics);
                service.updateTopicsToNode();
                break;
            case "unicast":
                unicast(request(topic, words[2]));
                break;
            case "multicast":
                service.asyncMulticastChannelMessage2(request(topic, words[2]));
                break;
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private ChannelRequest request(String topic, String payload) {
        ChannelRequest request = new ChannelRequest();
        request.setToTopic(topic);
        request.setMessageID(service.newSeq());
        request.setTimeout(30000);
        request.setContent(Lines.make(payload));
        return request;
    }

    private void unicast(ChannelRequest request) {
        service.asyncSendChannelMessage2(
                request,
                new ChannelResponseCallback2() {
                    @Override
                    public void onResponseMessage(ChannelResponse response) {
                        Lines.event("answered")
                                .with("code", response.getErrorCode())
                                .with("error", response.getErrorMessage())
                                .payload(response.getContentByteArray())
                                .print();
                    }
                });
    }

    private void received(ChannelPush push) {
        byte[] content = push.getContent2();
        Lines.event("received").with("seq", push.getMessageID()).payload(content).print();
        String answer = answers.getOrDefault(push.getTopic(), "echo");
        ChannelResponse response = new ChannelResponse();
        response.setErrorCode(0);
        response.setContent(answer.equals("echo") ? content : Lines.make(answer));
        push.sendResponse(response);
    }
}
