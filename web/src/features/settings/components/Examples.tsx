import { Tabs } from "@mantine/core";
import { CodeSample } from "@/ui/CodeSample";
import { curlExample, pythonExample } from "../model/examples";

/** The same request as a command and as a program. */
export function Examples(example: { origin: string; secret: string; model: string }) {
  return (
    <Tabs defaultValue="curl">
      <Tabs.List mb="sm">
        <Tabs.Tab value="curl">curl</Tabs.Tab>
        <Tabs.Tab value="python">Python</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="curl">
        <CodeSample label="curl example" code={curlExample(example)} />
      </Tabs.Panel>
      <Tabs.Panel value="python">
        <CodeSample label="Python example" code={pythonExample(example)} />
      </Tabs.Panel>
    </Tabs>
  );
}
