// The extension: it starts the language server and lets it answer.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function settings() {
  const found = vscode.workspace.getConfiguration("resnetDsl");
  return { command: found.get("command"), args: found.get("arguments") };
}

async function start() {
  const { command, args } = settings();
  const files = vscode.workspace.createFileSystemWatcher("**/*.resnet");
  client = new LanguageClient(
    "resnetDsl",
    "resnet-dsl",
    { command, args },
    { documentSelector: [{ language: "resnet" }], synchronize: { fileEvents: files } },
  );
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    files.dispose();
    const reason = error instanceof Error ? error.message : String(error);
    const choice = await vscode.window.showErrorMessage(
      `\`${command}\` could not be started: ${reason}. It comes with pip install "resnet-dsl[lsp]".`,
      "Settings",
    );
    if (choice === "Settings") {
      await vscode.commands.executeCommand("workbench.action.openSettings", "resnetDsl.command");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) await running.dispose();
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("resnetDsl.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      const changed = ["command", "arguments"].some((name) => event.affectsConfiguration(`resnetDsl.${name}`));
      if (changed) await restart();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
