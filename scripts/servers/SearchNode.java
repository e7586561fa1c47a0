import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import PACKAGE.common.settings.Settings;
import PACKAGE.env.Environment;
import PACKAGE.node.InternalSettingsPreparer;
import PACKAGE.node.Node;
import PACKAGE.plugins.Plugin;

/*
 * One search node on 127.0.0.1, of the plugins on the class path: HOME PORT
 * PLUGIN_CLASSES(comma) [SETTING=VALUE...]. The script beside it puts
 * org.opensearch or org.elasticsearch for PACKAGE.
 */
public class SearchNode extends Node {
	private SearchNode(Environment env, List<Class<? extends Plugin>> plugins) {
		super(env, plugins, false);
	}

	private static Settings settings(String[] args) {
		Settings.Builder settings = Settings.builder()
			.put("path.home", args[0])
			.put("path.data", args[0] + "/data")
			.put("path.logs", args[0] + "/logs")
			.put("cluster.name", "evkv-test")
			.put("node.name", "node")
			.put("network.host", "127.0.0.1")
			.put("http.port", args[1])
			.put("transport.port", "0")
			.put("transport.type", "netty4")
			.put("http.type", "netty4")
			.put("discovery.type", "single-node")
			.put("cluster.routing.allocation.disk.threshold_enabled", false);
		for (int i = 3; i < args.length; i++) {
			int eq = args[i].indexOf('=');
			settings.put(args[i].substring(0, eq), args[i].substring(eq + 1));
		}
		return settings.build();
	}

	public static void main(String[] args) throws Exception {
		List<Class<? extends Plugin>> plugins = new ArrayList<>();
		for (String name : args[2].split(","))
			plugins.add(Class.forName(name).asSubclass(Plugin.class));
		SearchNode node = new SearchNode(InternalSettingsPreparer.prepareEnvironment(
			settings(args), Map.of(), null, () -> "node"), plugins);
		node.start();
		Thread.currentThread().join();
	}
}
